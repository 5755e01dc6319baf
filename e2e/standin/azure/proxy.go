package azure

import (
	"io"
	"net"
	"net/http"
)

// A Proxy is the network as one program sees it: what HTTP_PROXY and HTTPS_PROXY
// of its environment name. Whom it does not reach, nobody is there: the connection
// ends without an answer.
type Proxy struct {
	// Metadata answers at 169.254.169.254; nil outside of Azure.
	Metadata http.Handler

	// Site is where connections to the authority and to Resource Manager end; nil
	// for a program that reaches neither.
	Site *Site
}

// ServeHTTP implements http.Handler.
func (p Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect && p.Site != nil && (r.Host == LoginHost+":443" || r.Host == ManagerHost+":443"):
		p.connect(w)
	case r.Method != http.MethodConnect && p.Metadata != nil && r.URL.Scheme == "http" && r.URL.Host == MetadataHost:
		p.Metadata.ServeHTTP(w, r)
	default:
		panic(http.ErrAbortHandler) // ends the connection, and is not logged
	}
}

// connect joins the program with the site. It is over when either hangs up.
func (p Proxy) connect(w http.ResponseWriter) {
	site, err := net.Dial("tcp", p.Site.Address)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer site.Close()
	program, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer program.Close()
	if _, err := io.WriteString(program, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	go func() {
		defer site.Close()
		_, _ = io.Copy(site, buffered)
	}()
	_, _ = io.Copy(program, site)
}
