package aws

import (
	"encoding/xml"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query is the protocol of EC2, STS, IAM and Auto Scaling: parameters as a
// form, answers in XML. The error document is EC2's own or the common one.
type query struct {
	version   string
	namespace string // of the common error document
	ec2       bool
}

// params are the parameters of a request that nobody has looked at yet: an
// action takes those it knows, and finish refuses the rest.
type params map[string]string

func (q query) parse(r *http.Request, body []byte) (string, params, *Error) {
	if r.Method != http.MethodPost {
		return "", nil, badRequest("InvalidAction", "this stand-in takes POST only")
	}
	if r.URL.Path != "/" || r.URL.RawQuery != "" {
		return "", nil, badRequest("InvalidRequest", "The request received was invalid: unexpected path or query.")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "", nil, badRequest("InvalidRequest", "The request received was invalid: content type "+strconv.Quote(r.Header.Get("Content-Type")))
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, badRequest("MalformedQueryString", "The query string contains a syntax error")
	}
	p := params{}
	for name, list := range values {
		if len(list) != 1 {
			return "", nil, badRequest("InvalidParameterValue", "Duplicate parameter "+name)
		}
		p[name] = list[0]
	}
	action, version := p.take("Action"), p.take("Version")
	if action == "" {
		return "", nil, badRequest("MissingAction", "The request must contain the parameter Action")
	}
	if version != q.version {
		return "", nil, badRequest("NoSuchVersion", "The requested version ("+version+") of service is not valid.")
	}
	return action, p, nil
}

func (query) write(w http.ResponseWriter, id string, result any) {
	w.Header().Set("X-Amzn-Requestid", id)
	writeXML(w, http.StatusOK, result)
}

func (q query) fail(w http.ResponseWriter, id string, err *Error) {
	w.Header().Set("X-Amzn-Requestid", id)
	if q.ec2 {
		writeXML(w, err.Status, ec2ErrorResponse{Errors: []ec2Error{{Code: err.Code, Message: err.Message}}, RequestID: id})
		return
	}
	kind := "Sender"
	if err.Status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	writeXML(w, err.Status, commonErrorResponse{
		XMLName:   xml.Name{Space: q.namespace, Local: "ErrorResponse"},
		Error:     commonError{Type: kind, Code: err.Code, Message: err.Message},
		RequestID: id,
	})
}

type ec2ErrorResponse struct {
	XMLName   xml.Name   `xml:"Response"`
	Errors    []ec2Error `xml:"Errors>Error"`
	RequestID string     `xml:"RequestID"`
}

type ec2Error struct{ Code, Message string }

type commonErrorResponse struct {
	XMLName   xml.Name
	Error     commonError
	RequestID string `xml:"RequestId"`
}

type commonError struct{ Type, Code, Message string }

func writeXML(w http.ResponseWriter, status int, value any) {
	text, err := xml.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header)
	_, _ = w.Write(text)
}

// take removes and returns a parameter.
func (p params) take(name string) string {
	value := p[name]
	delete(p, name)
	return value
}

// list takes prefix.1, prefix.2 and so on, as far as they are numbered without
// a gap.
func (p params) list(prefix string) []string {
	var list []string
	for {
		name := prefix + "." + strconv.Itoa(len(list)+1)
		if _, ok := p[name]; !ok {
			return list
		}
		list = append(list, p.take(name))
	}
}

// finish refuses what no one has taken.
func (p params) finish() *Error {
	if len(p) == 0 {
		return nil
	}
	names := make([]string, 0, len(p))
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names)
	return badRequest("UnknownParameter", "The parameter "+strings.Join(names, ", ")+" is not recognized")
}
