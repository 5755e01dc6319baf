package aws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	amzTime    = "20060102T150405Z"
	clockDrift = 15 * time.Minute
)

// authorization is the content of an Authorization header.
type authorization struct {
	keyID, date, region, service string
	signedHeaders                []string
}

// authFailure says why a request is not authenticated. Services give these
// different codes: see service.authError.
type authFailure struct {
	kind   authKind
	detail string
}

type authKind int

const (
	authMissing   authKind = iota // no credentials at all
	authMalformed                 // not a version 4 Authorization header
	authUnknown                   // unknown key, or wrong or no session token
	authMismatch                  // the signature is another
	authDate                      // signed too long ago, or in the future
	authExpired                   // temporary credentials have expired
)

// parseAuthorization reads the Authorization header.
func parseAuthorization(r *http.Request) (authorization, *authFailure) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return authorization{}, &authFailure{kind: authMissing}
	}
	malformed := &authFailure{kind: authMalformed, detail: "Authorization header is not of the form AWS4-HMAC-SHA256"}
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return authorization{}, malformed
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return authorization{}, malformed
	}
	return authorization{
		keyID: scope[0], date: scope[1], region: scope[2], service: scope[3],
		signedHeaders: strings.Split(fields["SignedHeaders"], ";"),
	}, nil
}

// authenticate finds out who signed the request, by signing it again.
func (w *World) authenticate(ctx context.Context, r *http.Request, body []byte, auth authorization) (accessKey, *authFailure) {
	key, ok := w.key(auth.keyID)
	if !ok || subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Amz-Security-Token")), []byte(key.session)) != 1 {
		return accessKey{}, &authFailure{kind: authUnknown}
	}
	if key.partition != "" && key.partition != partition(auth.region) {
		return accessKey{}, &authFailure{kind: authUnknown}
	}
	now := w.now()
	if !key.expires.IsZero() && !now.Before(key.expires) {
		return accessKey{}, &authFailure{kind: authExpired}
	}
	signed, err := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
	if err != nil || signed.Format("20060102") != auth.date {
		return accessKey{}, &authFailure{kind: authMalformed, detail: "X-Amz-Date is missing or does not fit the credential scope"}
	}
	if drift := now.Sub(signed); drift.Abs() > clockDrift {
		return accessKey{}, &authFailure{kind: authDate, detail: fmt.Sprintf("%s is not within %s of %s",
			signed.Format(amzTime), clockDrift, now.UTC().Format(amzTime))}
	}
	if !w.knowsRegion(auth.region) {
		return accessKey{}, &authFailure{kind: authMismatch, detail: fmt.Sprintf("Credential should be scoped to a valid region, not '%s'. ", auth.region)}
	}
	for _, required := range requiredHeaders(r) {
		if !slices.Contains(auth.signedHeaders, required) {
			return accessKey{}, &authFailure{kind: authMismatch, detail: fmt.Sprintf("'%s' must be a signed header", required)}
		}
	}
	again, err := sign(ctx, r, body, auth, key, signed)
	if err != nil || subtle.ConstantTimeCompare([]byte(again), []byte(r.Header.Get("Authorization"))) != 1 {
		return accessKey{}, &authFailure{kind: authMismatch,
			detail: "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
	}
	return key, nil
}

// requiredHeaders are those that a signature must cover: the host and all that
// is X-Amz-.
func requiredHeaders(r *http.Request) []string {
	required := []string{"host"}
	for name := range r.Header {
		if name := strings.ToLower(name); strings.HasPrefix(name, "x-amz-") {
			required = append(required, name)
		}
	}
	return required
}

// sign signs the request anew, as its sender would have with this key, and
// returns the Authorization header.
func sign(ctx context.Context, r *http.Request, body []byte, auth authorization, key accessKey, at time.Time) (string, error) {
	twin, err := http.NewRequestWithContext(ctx, r.Method, "http://"+r.Host+r.URL.RequestURI(), io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return "", err
	}
	for _, name := range auth.signedHeaders {
		if values := r.Header.Values(name); len(values) > 0 {
			twin.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	if slices.Contains(auth.signedHeaders, "content-length") {
		twin.ContentLength = r.ContentLength
	}
	digest := sha256.Sum256(body)
	credentials := awssdk.Credentials{AccessKeyID: key.id, SecretAccessKey: key.secret, SessionToken: key.session}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, twin, hex.EncodeToString(digest[:]), auth.service, auth.region, at); err != nil {
		return "", err
	}
	return twin.Header.Get("Authorization"), nil
}
