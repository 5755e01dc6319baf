package plugindata

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanString reads a quoted string, from its opening quote on, and returns its
// value. Between ${ and the matching } HCL 1 takes every character literally,
// quotes, backslashes and line ends too.
func (s *scanner) scanString() (string, *Problem) {
	unclosed := s.problem("the string that starts here does not end in its line: a quote is missing")
	s.pos++
	var value strings.Builder
	braces := 0
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case braces == 0 && c == '"':
			s.pos++
			if !utf8.ValidString(value.String()) {
				return "", s.problem("the escapes in this string make no valid UTF-8 text")
			}
			return value.String(), nil
		case braces == 0 && c == '\n':
			return "", unclosed
		case braces == 0 && c == '\\':
			if problem := s.scanEscape(&value); problem != nil {
				return "", problem
			}
			continue
		case braces == 0 && strings.HasPrefix(s.src[s.pos:], "${"):
			value.WriteByte('$')
			s.pos++
			braces++
		case braces > 0 && c == '{':
			braces++
		case braces > 0 && c == '}':
			braces--
		}
		value.WriteByte(s.src[s.pos])
		s.advance(1)
	}
	return "", unclosed
}

// singleEscapes are HCL 1's escapes of one character.
const singleEscapes = "a\ab\bf\fn\nr\rt\tv\v\\\\\"\""

// scanEscape reads an escape sequence, from its backslash on, into value.
func (s *scanner) scanEscape(value *strings.Builder) *Problem {
	rest := s.src[s.pos+1:]
	if rest == "" {
		return s.problem("the text ends in an escape sequence")
	}
	for i := 0; i < len(singleEscapes); i += 2 {
		if rest[0] == singleEscapes[i] {
			value.WriteByte(singleEscapes[i+1])
			s.pos += 2
			return nil
		}
	}
	digits, base, lead := 0, 16, 1
	switch rest[0] {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3', '4', '5', '6', '7':
		digits, base, lead = 3, 8, 0
	default:
		return s.problem("no such escape sequence in a string; for a backslash write \\\\")
	}
	code, ok := number(rest, lead, digits, base)
	if !ok {
		return s.problem("an escape sequence in a string lacks digits, or names no character")
	}
	s.pos += 1 + lead + digits
	if digits < 4 {
		if code > 0xff {
			return s.problem("an escape sequence in a string names no character")
		}
		value.WriteByte(byte(code))
		return nil
	}
	if utf16.IsSurrogate(code) && strings.HasPrefix(s.src[s.pos:], `\u`) {
		// JSON in server.conf comes with characters in two halves.
		second, ok := number(s.src[s.pos:], 2, 4, 16)
		if pair := utf16.DecodeRune(code, second); ok && pair != utf8.RuneError {
			s.pos += 6
			code = pair
		}
	}
	if !utf8.ValidRune(code) {
		return s.problem("an escape sequence in a string names no character")
	}
	value.WriteRune(code)
	return nil
}

// number reads text[start:start+length] as a number.
func number(text string, start, length, base int) (rune, bool) {
	if len(text) < start+length {
		return 0, false
	}
	n, err := strconv.ParseUint(text[start:start+length], base, 31)
	return rune(n), err == nil
}

// scanHeredoc reads <<MARKER up to the line of the marker, and returns the lines
// between. As in HCL 1, blanks before the closing marker are part of the value
// after <<; after <<- every line loses them, if every line has them.
func (s *scanner) scanHeredoc() (string, *Problem) {
	start := s.problem("the heredoc that starts here has no line with its end marker")
	head, _, found := strings.Cut(s.src[s.pos:], "\n")
	marker, unindent := strings.CutPrefix(strings.TrimRight(head[2:], "\r"), "-")
	if marker == "" || strings.ContainsFunc(marker, notInMarker) {
		return "", s.problem("after << comes the heredoc's marker, letters and digits, and the end of the line")
	}
	if !found {
		return "", start
	}
	s.advance(len(head) + 1)
	var lines []string
	for s.pos < len(s.src) {
		line, _, found := strings.Cut(s.src[s.pos:], "\n")
		s.advance(len(line))
		blanks, closing := strings.CutSuffix(strings.TrimRight(line, "\r"), marker)
		if closing && strings.TrimSpace(blanks) == "" {
			return heredocValue(append(lines, blanks), unindent), nil
		}
		lines = append(lines, line)
		if found {
			s.advance(1)
		}
	}
	return "", start
}

func notInMarker(r rune) bool {
	return r < utf8.RuneSelf && !isDigit(byte(r)) && !isASCIILetter(byte(r)) && r != '_'
}

// heredocValue joins a heredoc's lines, the last of which is what stands before
// the closing marker.
func heredocValue(lines []string, unindent bool) string {
	last := len(lines) - 1
	if !unindent {
		return strings.Join(lines, "\n")
	}
	indent := lines[last]
	lines[last] = ""
	for _, line := range lines[:last] {
		if !strings.HasPrefix(line, indent) {
			return strings.Join(lines, "\n")
		}
	}
	for i, line := range lines[:last] {
		lines[i] = line[len(indent):]
	}
	return strings.Join(lines, "\n")
}
