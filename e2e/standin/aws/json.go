package aws

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// json11 is the protocol of Organizations: the action in a header, parameters
// and answers in JSON.
type json11 struct {
	prefix string // of X-Amz-Target
}

const json11Type = "application/x-amz-json-1.1"

func (j json11) parse(r *http.Request, body []byte) (string, params, *Error) {
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.URL.RawQuery != "" {
		return "", nil, badRequest("UnknownOperationException", "this service takes POST / only")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != json11Type {
		return "", nil, badRequest("UnknownOperationException", "content type "+strconv.Quote(r.Header.Get("Content-Type")))
	}
	action, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), j.prefix+".")
	if !ok {
		return "", nil, badRequest("UnknownOperationException", "")
	}
	p, err := flatObject(body)
	if err != nil {
		return "", nil, badRequest("SerializationException", err.Error())
	}
	return action, p, nil
}

// flatObject reads a JSON object of strings and numbers.
func flatObject(body []byte) (params, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	p := params{}
	for name, value := range object {
		switch value := value.(type) {
		case string:
			p[name] = value
		case json.Number:
			p[name] = value.String()
		default:
			return nil, &json.UnmarshalTypeError{Value: "something else", Field: name}
		}
	}
	return p, nil
}

func (json11) write(w http.ResponseWriter, id string, result any) {
	w.Header().Set("X-Amzn-Requestid", id)
	writeJSON(w, http.StatusOK, json11Type, result)
}

func (json11) fail(w http.ResponseWriter, id string, err *Error) {
	w.Header().Set("X-Amzn-Requestid", id)
	writeJSON(w, err.Status, json11Type, map[string]string{"__type": err.Code, "Message": err.Message})
}

func writeJSON(w http.ResponseWriter, status int, contentType string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
