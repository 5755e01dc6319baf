package awsiid

import (
	"errors"
	"fmt"
)

// toDER turns one BER value into DER, or refuses it.
//
// AWS writes its envelopes in BER: lengths are left open ("indefinite") from the
// outside down to the content, which is an octet string in pieces; from the
// signer on everything is DER. toDER takes that and no other freedom of BER: open
// lengths and pieces only where all around is open too, lengths in their
// shortest form, nothing after the value. So what is signed as DER was DER when
// it came, and each message has one reading.
//
// PKCS#7 libraries convert BER by recursion, before any signature is checked,
// and take minutes for deep input. Here a stack does it in one pass, with bounds
// on size, nesting and the count of elements.
func toDER(ber []byte) ([]byte, error) {
	if len(ber) > maxEnvelope {
		return nil, fmt.Errorf("BER of %d bytes is over %d", len(ber), maxEnvelope)
	}
	reader := berReader{data: ber}
	for range maxBERElements {
		if err := reader.element(); err != nil {
			return nil, fmt.Errorf("BER: %w, at byte %d", err, reader.offset)
		}
		if !reader.complete() {
			continue
		}
		if trailing := len(ber) - reader.offset; trailing > 0 {
			return nil, fmt.Errorf("BER: %d bytes after its end", trailing)
		}
		return reader.der, nil
	}
	return nil, fmt.Errorf("BER: more than %d elements", maxBERElements)
}

// Identifier octets (X.690, 8.1.2).
const (
	berConstructed    = 0x20
	berHighTag        = 0x1F
	berOctetString    = 0x04
	berEndOfContents  = 0x00
	berIndefinite     = 0x80 // a length octet: the end is marked, not counted
	berMaxLengthBytes = 2    // enough for maxEnvelope
)

// A berReader holds the constructed elements that are open at offset, outermost
// first, and the DER of what is closed.
type berReader struct {
	data   []byte
	offset int
	open   []berElement
	der    []byte
}

// A berElement is a constructed element whose end has not come yet.
type berElement struct {
	tag        byte
	indefinite bool
	end        int    // where it ends; for an indefinite one, where it must have ended
	pieces     bool   // an octet string in pieces
	content    []byte // the DER of its content so far
}

// complete closes the elements that end at offset, and reports whether the
// outermost one is among them.
func (r *berReader) complete() bool {
	for len(r.open) > 0 {
		inner := r.open[len(r.open)-1]
		switch {
		case inner.indefinite && r.atEndOfContents(inner.end):
			r.offset += 2
		case inner.indefinite || r.offset < inner.end:
			return false
		}
		r.open = r.open[:len(r.open)-1]
		r.add(inner.tag, inner.content)
	}
	return true
}

func (r *berReader) atEndOfContents(end int) bool {
	return end-r.offset >= 2 && r.data[r.offset] == berEndOfContents && r.data[r.offset+1] == 0
}

// element reads one element: a primitive one whole, of a constructed one the
// header.
func (r *berReader) element() error {
	end, around := len(r.data), berElement{indefinite: true}
	if len(r.open) > 0 {
		around = r.open[len(r.open)-1]
		end = around.end
	}
	if r.offset == end {
		return errors.New("cut off")
	}
	tag := r.data[r.offset]
	if tag&berHighTag == berHighTag {
		return errors.New("a tag of several bytes")
	}
	if tag == berEndOfContents {
		return errors.New("a misplaced end of contents")
	}
	if around.pieces && tag != berOctetString {
		return errors.New("a piece of an octet string is none itself")
	}
	length, indefinite, size, err := readLength(r.data[r.offset+1 : end])
	if err != nil {
		return err
	}
	start := r.offset + 1 + size
	if length > end-start {
		return errors.New("a length beyond the end")
	}
	if tag&berConstructed == 0 {
		if indefinite {
			return errors.New("an open length of a primitive element")
		}
		r.offset = start + length
		r.add(tag, r.data[start:r.offset])
		return nil
	}
	if indefinite && !around.indefinite {
		return errors.New("an open length inside a counted one")
	}
	if len(r.open) == maxBERDepth {
		return fmt.Errorf("nested deeper than %d levels", maxBERDepth)
	}
	inner := berElement{tag: tag, indefinite: indefinite, end: start + length}
	if indefinite {
		inner.end = end
	}
	if tag == berOctetString|berConstructed {
		if !indefinite {
			return errors.New("an octet string in pieces with a counted length")
		}
		inner.tag, inner.pieces = berOctetString, true
	}
	r.open = append(r.open, inner)
	r.offset = start
	return nil
}

// add writes a closed element's DER to the one around it.
func (r *berReader) add(tag byte, content []byte) {
	if len(r.open) == 0 {
		r.der = appendDER(r.der, tag, content)
		return
	}
	around := &r.open[len(r.open)-1]
	if around.pieces {
		around.content = append(around.content, content...)
		return
	}
	around.content = appendDER(around.content, tag, content)
}

// readLength reads length octets and returns how many there are.
func readLength(data []byte) (length int, indefinite bool, size int, err error) {
	if len(data) == 0 {
		return 0, false, 0, errors.New("cut off before a length")
	}
	first := data[0]
	if first == berIndefinite {
		return 0, true, 1, nil
	}
	if first < berIndefinite {
		return int(first), false, 1, nil
	}
	size = int(first &^ berIndefinite)
	if size > berMaxLengthBytes {
		return 0, false, 0, errors.New("a length beyond all bounds")
	}
	if size >= len(data) {
		return 0, false, 0, errors.New("cut off in a length")
	}
	for _, b := range data[1 : 1+size] {
		length = length<<8 | int(b)
	}
	if length < 0x80 || data[1] == 0 {
		return 0, false, 0, errors.New("a length not in its shortest form")
	}
	return length, false, 1 + size, nil
}

// appendDER appends one element. Lengths here need two bytes at most, as DER is
// never longer than the BER that it comes from.
func appendDER(der []byte, tag byte, content []byte) []byte {
	der = append(der, tag)
	switch n := len(content); {
	case n < 0x80:
		der = append(der, byte(n))
	case n < 0x100:
		der = append(der, 0x81, byte(n))
	default:
		der = append(der, 0x82, byte(n>>8), byte(n))
	}
	return append(der, content...)
}
