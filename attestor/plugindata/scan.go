package plugindata

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is the kind of a token. Punctuation is its own kind.
type tokenKind byte

const (
	tokenEOF    tokenKind = 0
	tokenIdent  tokenKind = 'i'
	tokenString tokenKind = 's'
	tokenNumber tokenKind = 'n'
)

// token is one word of HCL 1.
type token struct {
	kind tokenKind
	text string // a string's value, otherwise what is written
	line int    // where it starts
}

// scanner splits text into HCL 1's tokens. Comments are left out. Line endings
// are "\n" and the text is valid UTF-8: Parse sees to both.
type scanner struct {
	src  string
	pos  int
	line int
}

// next returns the next token, or a Problem where the text is no HCL.
func (s *scanner) next() (token, *Problem) {
	if problem := s.skipBlanks(); problem != nil {
		return token{}, problem
	}
	tok := token{line: s.line}
	if s.pos == len(s.src) {
		return tok, nil
	}
	start := s.pos
	switch c := s.src[s.pos]; {
	case strings.IndexByte("{}[],=", c) >= 0:
		s.pos++
		tok.kind, tok.text = tokenKind(c), string(c)
		return tok, nil
	case c == '"':
		text, problem := s.scanString()
		tok.kind, tok.text = tokenString, text
		return tok, problem
	case strings.HasPrefix(s.src[s.pos:], "<<"):
		text, problem := s.scanHeredoc()
		tok.kind, tok.text = tokenString, text
		return tok, problem
	case isDigit(c), c == '-' && s.pos+1 < len(s.src) && isDigit(s.src[s.pos+1]):
		s.pos++
		for s.pos < len(s.src) && (isDigit(s.src[s.pos]) || isASCIILetter(s.src[s.pos]) || s.src[s.pos] == '.') {
			s.pos++
		}
		tok.kind, tok.text = tokenNumber, s.src[start:s.pos]
		return tok, nil
	}
	first, _ := utf8.DecodeRuneInString(s.src[s.pos:])
	if first != '_' && !unicode.IsLetter(first) {
		return token{}, s.problem("unexpected character %q", first)
	}
	for s.pos < len(s.src) {
		r, size := utf8.DecodeRuneInString(s.src[s.pos:])
		if r != '_' && r != '-' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		s.pos += size
	}
	tok.kind, tok.text = tokenIdent, s.src[start:s.pos]
	return tok, nil
}

// skipBlanks moves on to the next token's first byte.
func (s *scanner) skipBlanks() *Problem {
	for s.pos < len(s.src) {
		rest := s.src[s.pos:]
		switch {
		case rest[0] == '\n':
			s.line++
			s.pos++
		case rest[0] == ' ', rest[0] == '\t', rest[0] == '\r':
			s.pos++
		case rest[0] == '#', strings.HasPrefix(rest, "//"):
			length := strings.IndexByte(rest, '\n')
			if length < 0 {
				length = len(rest)
			}
			s.pos += length
		case strings.HasPrefix(rest, "/*"):
			length := strings.Index(rest[2:], "*/")
			if length < 0 {
				return s.problem("the comment that starts here with /* does not end")
			}
			s.advance(2 + length + 2)
		default:
			return nil
		}
	}
	return nil
}

// advance moves over n bytes and counts their lines.
func (s *scanner) advance(n int) {
	s.line += strings.Count(s.src[s.pos:s.pos+n], "\n")
	s.pos += n
}

func (s *scanner) problem(format string, args ...any) *Problem {
	var r report
	r.add(s.line, "", format, args...)
	return &r.problems[0]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isASCIILetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
