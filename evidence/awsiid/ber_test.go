package awsiid

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func TestToDER(t *testing.T) {
	for name, tc := range map[string]struct{ ber, der, want string }{
		"primitive":                    {"0500", "0500", ""},
		"definite":                     {"3003020101", "3003020101", ""},
		"indefinite":                   {"30800201010000", "3003020101", ""},
		"empty":                        {"30800000", "3000", ""},
		"indefinite in indefinite":     {"3080a0800201010000" + "0000", "3005a003020101", ""},
		"definite in indefinite":       {"3080310302010102010200" + "00", "3008" + "3103020101020102", ""},
		"pieces":                       {"24800401610402626300" + "00", "0403616263", ""},
		"no pieces":                    {"24800000", "0400", ""},
		"long form":                    {"048180" + strings.Repeat("00", 128), "048180" + strings.Repeat("00", 128), ""},
		"two length bytes":             {"04820100" + strings.Repeat("00", 256), "04820100" + strings.Repeat("00", 256), ""},
		"nothing":                      {"", "", "BER: cut off, at byte 0"},
		"a tag alone":                  {"30", "", "BER: cut off before a length, at byte 0"},
		"cut off in a length":          {"308201", "", "BER: cut off in a length, at byte 0"},
		"cut off in content":           {"040261", "", "BER: a length beyond the end, at byte 0"},
		"cut off, indefinite":          {"3080020101", "", "BER: cut off, at byte 5"},
		"half an end of contents":      {"308002010100", "", "BER: a misplaced end of contents, at byte 5"},
		"child past its parent":        {"30020402", "", "BER: a length beyond the end, at byte 2"},
		"child past its parent, more":  {"3002040261", "", "BER: a length beyond the end, at byte 2"},
		"child's length past parent":   {"300104", "", "BER: cut off before a length, at byte 2"},
		"trailing byte":                {"050000", "", "BER: 1 bytes after its end"},
		"trailing element":             {"3080000002" + "0101", "", "BER: 3 bytes after its end"},
		"end of contents first":        {"0000", "", "BER: a misplaced end of contents, at byte 0"},
		"end of contents in definite":  {"30020000", "", "BER: a misplaced end of contents, at byte 2"},
		"end of contents with a body":  {"3080000161" + "0000", "", "BER: a misplaced end of contents, at byte 2"},
		"long form, one too many":      {"04810161", "", "BER: a length not in its shortest form, at byte 0"},
		"long form, leading zero":      {"0482008" + "0" + strings.Repeat("00", 128), "", "BER: a length not in its shortest form, at byte 0"},
		"two bytes where one would do": {"048200ff" + strings.Repeat("00", 255), "", "BER: a length not in its shortest form, at byte 0"},
		"three length bytes":           {"0483010000", "", "BER: a length beyond all bounds, at byte 0"},
		"reserved length":              {"04ff", "", "BER: a length beyond all bounds, at byte 0"},
		"high tag":                     {"1f8101" + "00", "", "BER: a tag of several bytes, at byte 0"},
		"primitive, open length":       {"0480610000", "", "BER: an open length of a primitive element, at byte 0"},
		"indefinite in definite":       {"300430800000", "", "BER: an open length inside a counted one, at byte 2"},
		"pieces in definite":           {"2403040161", "", "BER: an octet string in pieces with a counted length, at byte 0"},
		"pieces of pieces":             {"248024800401610000" + "0000", "", "BER: a piece of an octet string is none itself, at byte 2"},
		"pieces of something else":     {"248002010100" + "00", "", "BER: a piece of an octet string is none itself, at byte 2"},
		"deep":                         {strings.Repeat("3080", 17) + strings.Repeat("0000", 17), "", "BER: nested deeper than 16 levels, at byte 32"},
	} {
		t.Run(name, func(t *testing.T) {
			ber, err := hex.DecodeString(tc.ber)
			if err != nil {
				t.Fatal(err)
			}
			der, err := toDER(ber)
			if got := errorText(err); got != tc.want || hex.EncodeToString(der) != tc.der {
				t.Errorf("got  %x, %q\nwant %s, %q", der, got, tc.der, tc.want)
			}
		})
	}
}

// Any input ends in DER or an error. DER is a fixed point, and shorter than or
// as long as its BER.
func FuzzBER(f *testing.F) {
	for _, seed := range []string{"0500", "30800201010000", "24800401610402626300" + "00", "3003020101", "3080a0800201010000" + "0000", "1f81", "0483010000"} {
		ber, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(ber)
	}
	f.Fuzz(func(t *testing.T, ber []byte) {
		der, err := toDER(ber)
		if err != nil {
			return
		}
		if len(der) > len(ber) {
			t.Errorf("DER of %d bytes from BER of %d", len(der), len(ber))
		}
		again, err := toDER(der)
		if err != nil || !bytes.Equal(again, der) {
			t.Errorf("DER %x becomes %x, %v", der, again, err)
		}
		// No panic, whatever the shape; then the library may have it too.
		if message, err := parseEnvelope(der); err == nil {
			t.Logf("a message of %d bytes of content", len(message.content))
		}
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
