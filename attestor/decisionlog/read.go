package decisionlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// A Reader reads the decisions of a log, one after the other, in constant memory.
// The log may be several rotated files one after the other, unpacked.
type Reader struct {
	in      *bufio.Reader
	line    int
	torn    int
	configs []config   // the last ones, the newest first; never changed, only replaced
	parsers *sync.Pool // of lineParsers
}

// config is what a configuration line has.
type config struct {
	digest string
	value  map[string]any
}

// NewReader returns a Reader of JSON lines.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, 64<<10), parsers: &sync.Pool{New: func() any { return &lineParser{} }}}
}

// Torn is how many lines Next passed over so far because they are no whole event: a
// full disk leaves such behind.
func (r *Reader) Torn() int { return r.torn }

// A LineError is of a line that has to be passed over. The ones after it can be read.
type LineError struct {
	Line int

	// Why is the same for all lines that have the same wrong with them.
	Why error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Why) }

func (e *LineError) Unwrap() error { return e.Why }

// What can be wrong with a line.
var (
	ErrTorn    = errors.New("is no whole JSON document: a crash or a full disk may have torn it")
	ErrForeign = errors.New("is no decision of Gatehouse")
	ErrLong    = fmt.Errorf("is longer than %d bytes: this is no decision log", maxConfigLine)
	ErrConfig  = errors.New("is a configuration that can't be read: decisions made with it can't be taken again")
)

// Next returns the next decision, and io.EOF after the last.
func (r *Reader) Next() (*Decision, error) {
	for {
		line, err := r.NextLine()
		if err == nil {
			var d *Decision
			if d, err = line.Decision(); err == nil {
				return d, nil
			}
		}
		if !errors.Is(err, ErrTorn) && !errors.Is(err, ErrForeign) {
			return nil, err
		}
		r.torn++
	}
}

// A Line is a line of a decision, not yet read: who has many lets several goroutines
// read them.
type Line struct {
	Number  int // in the log, from 1
	text    []byte
	configs []config
	parsers *sync.Pool // of lineParsers
}

// Bytes is the length of the line.
func (l Line) Bytes() int { return len(l.text) }

// Clone is a Line that stays valid.
func (l Line) Clone() Line {
	l.text = bytes.Clone(l.text)
	return l
}

// NextLine returns the next line of a decision that was given, and io.EOF after the
// last. It is valid until the next call. After a LineError there may be more.
func (r *Reader) NextLine() (Line, error) {
	for {
		text, err := r.readLine()
		switch {
		case err != nil:
			return Line{}, err
		case len(text) == 0:
		case bytes.Contains(text, shadowMark) && strings.HasSuffix(pathOf(text), "/"+shadowQuestion):
			// What a shadow policy answered: nothing was decided by it.
		case !bytes.Contains(text, []byte(ConfigPath)) || pathOf(text) != ConfigPath:
			return Line{Number: r.line, text: text, configs: r.configs, parsers: r.parsers}, nil
		default:
			if err := r.keepConfig(text); err != nil {
				return Line{}, err
			}
		}
	}
}

// shadowMark is in every line of a shadow policy; most others need not be parsed
// to be told from them.
var shadowMark = []byte("/" + shadowQuestion + `"`)

func pathOf(text []byte) string {
	var e struct {
		Path string `json:"path"`
	}
	if json.Unmarshal(text, &e) != nil {
		return ""
	}
	return e.Path
}

func (r *Reader) keepConfig(text []byte) error {
	var e struct {
		Result map[string]any `json:"result"`
		Custom struct {
			Gatehouse Outcome `json:"gatehouse"`
		} `json:"custom"`
	}
	if json.Unmarshal(text, &e) != nil || e.Result == nil || e.Custom.Gatehouse.Config == "" {
		return &LineError{r.line, ErrConfig}
	}
	c := config{e.Custom.Gatehouse.Config, e.Result}
	others := slices.DeleteFunc(slices.Clone(r.configs), func(old config) bool { return old.digest == c.digest })
	r.configs = slices.Insert(others[:min(len(others), maxConfigs-1)], 0, c)
	return nil
}

// readLine returns a line without its end. It is valid until the next call.
func (r *Reader) readLine() ([]byte, error) {
	r.line++
	var whole []byte
	for {
		part, err := r.in.ReadSlice('\n')
		switch {
		case err == nil && whole == nil:
			return part[:len(part)-1], nil
		case len(whole)+len(bytes.TrimSuffix(part, []byte("\n"))) > maxConfigLine:
			return nil, r.passOver(err)
		}
		whole = append(whole, part...)
		switch {
		case err == nil:
			return whole[:len(whole)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(whole) > 0:
			return whole, nil
		default:
			return nil, err
		}
	}
}

// passOver reads the rest of a line that is too long. err is of the last read.
func (r *Reader) passOver(err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.in.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return &LineError{r.line, ErrLong}
}
