package aws

import "net/http"

// An Error is what an API answers instead of a result.
type Error struct {
	Status  int // of HTTP
	Code    string
	Message string
}

// Throttled is EC2's answer to those who ask too often.
func Throttled() *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: "RequestLimitExceeded", Message: "Request limit exceeded."}
}

// Unavailable is a service that fails.
func Unavailable() *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: "Unavailable", Message: "The service is unavailable. Please try again shortly."}
}

func badRequest(code, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: message}
}

// ec2AuthError gives EC2's codes to authentication failures.
func ec2AuthError(failure *authFailure) *Error {
	switch failure.kind {
	case authMissing:
		return badRequest("MissingParameter", "The request must contain the parameter AWSAccessKeyId")
	case authDate:
		return badRequest("RequestExpired", "Request has expired.")
	case authExpired:
		return badRequest("RequestExpired", "Request has expired.")
	default:
		return &Error{Status: http.StatusUnauthorized, Code: "AuthFailure",
			Message: "AWS was not able to validate the provided access credentials"}
	}
}

// commonAuthError gives the codes of the common front end, which STS, IAM and
// others share, to authentication failures.
func commonAuthError(failure *authFailure) *Error {
	forbidden := func(code, message string) *Error {
		return &Error{Status: http.StatusForbidden, Code: code, Message: message}
	}
	switch failure.kind {
	case authMissing:
		return forbidden("MissingAuthenticationToken", "Request is missing Authentication Token")
	case authMalformed:
		return badRequest("IncompleteSignature", failure.detail)
	case authUnknown:
		return forbidden("InvalidClientTokenId", "The security token included in the request is invalid.")
	case authDate:
		return forbidden("SignatureDoesNotMatch", "Signature expired: "+failure.detail)
	case authExpired:
		return forbidden("ExpiredToken", "The security token included in the request is expired")
	default:
		return forbidden("SignatureDoesNotMatch", failure.detail)
	}
}

// jsonAuthError gives the codes of the services that speak JSON to authentication
// failures. Organizations answers with status 400, the REST services with 403.
func jsonAuthError(status int) func(*authFailure) *Error {
	return func(failure *authFailure) *Error {
		answer := func(code, message string) *Error { return &Error{Status: status, Code: code, Message: message} }
		switch failure.kind {
		case authMissing:
			return answer("MissingAuthenticationTokenException", "Missing Authentication Token")
		case authMalformed:
			return answer("IncompleteSignatureException", failure.detail)
		case authUnknown:
			return answer("UnrecognizedClientException", "The security token included in the request is invalid.")
		case authDate:
			return answer("InvalidSignatureException", "Signature expired: "+failure.detail)
		case authExpired:
			return answer("ExpiredTokenException", "The security token included in the request is expired")
		default:
			return answer("InvalidSignatureException", failure.detail)
		}
	}
}

// jsonDenied is how the services that speak JSON refuse a caller without the
// permission.
func jsonDenied(status int) func(caller, action string) *Error {
	return func(caller, action string) *Error {
		return &Error{Status: status, Code: "AccessDeniedException",
			Message: "User: " + caller + " is not authorized to perform: " + action + " because no identity-based policy allows the " + action + " action"}
	}
}
