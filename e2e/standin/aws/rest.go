package aws

import (
	"net/http"
	"net/url"
	"strings"
)

// restJSON is the protocol of EKS: the action and the names in the path, the
// other parameters in the query, answers in JSON.
type restJSON struct {
	routes []route
}

// route is one kind of request. Names in braces in its path are parameters.
type route struct {
	method, path, action string
}

func (p restJSON) parse(r *http.Request, body []byte) (string, params, *Error) {
	for _, route := range p.routes {
		taken, ok := route.match(r)
		if !ok {
			continue
		}
		if len(body) > 0 {
			return "", nil, badRequest("BadRequestException", "this request has no body")
		}
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return "", nil, badRequest("BadRequestException", "the query string contains a syntax error")
		}
		for name, values := range query {
			if _, twice := taken[name]; twice || len(values) != 1 {
				return "", nil, badRequest("BadRequestException", "duplicate parameter "+name)
			}
			taken[name] = values[0]
		}
		return route.action, taken, nil
	}
	return "", nil, &Error{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: "no such operation: " + r.Method + " " + r.URL.Path}
}

// match takes the names out of the path.
func (r route) match(request *http.Request) (params, bool) {
	want, got := strings.Split(r.path, "/"), strings.Split(request.URL.EscapedPath(), "/")
	if request.Method != r.method || len(want) != len(got) {
		return nil, false
	}
	p := params{}
	for i, part := range want {
		text, err := url.PathUnescape(got[i])
		if err != nil {
			return nil, false
		}
		if strings.HasPrefix(part, "{") {
			p[strings.Trim(part, "{}")] = text
		} else if part != text {
			return nil, false
		}
	}
	return p, true
}

func (restJSON) write(w http.ResponseWriter, id string, result any) {
	w.Header().Set("X-Amzn-Requestid", id)
	writeJSON(w, http.StatusOK, "application/json", result)
}

func (restJSON) fail(w http.ResponseWriter, id string, err *Error) {
	w.Header().Set("X-Amzn-Requestid", id)
	w.Header().Set("X-Amzn-ErrorType", err.Code)
	writeJSON(w, err.Status, "application/json", map[string]string{"message": err.Message})
}
