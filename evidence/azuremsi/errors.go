package azuremsi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// explain says what failed. A resource that is not there becomes errNotFound.
func explain(doing string, id ResourceID, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", doing, id.ID, short(err))
}

// short takes the pages of text out of the SDK's errors.
func short(err error) error {
	var refused *azidentity.AuthenticationFailedError
	if errors.As(err, &refused) {
		return fmt.Errorf("authentication: %s", reason(refused))
	}
	var response *azcore.ResponseError
	if !errors.As(err, &response) {
		return err
	}
	if response.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%w (%.64s)", errNotFound, response.ErrorCode)
	}
	return fmt.Errorf("answered %d (%.64s)", response.StatusCode, response.ErrorCode)
}

// reason is the sentence of an authority's refusal that has its AADSTS number.
func reason(refused *azidentity.AuthenticationFailedError) string {
	line, _, _ := strings.Cut(refused.Error(), "\n")
	if refused.RawResponse == nil {
		return line
	}
	var answer struct {
		Description string `json:"error_description"`
	}
	body, err := runtime.Payload(refused.RawResponse)
	if err != nil || json.Unmarshal(body, &answer) != nil {
		return fmt.Sprintf("%s (answered %d)", line, refused.RawResponse.StatusCode)
	}
	description, _, _ := strings.Cut(answer.Description, "\n")
	return fmt.Sprintf("%s (answered %d: %.256s)", line, refused.RawResponse.StatusCode, description)
}

// condensed is an error on one line of bounded length.
type condensed struct{ error }

func (c condensed) Error() string {
	return fmt.Sprintf("%.512s", strings.Join(strings.Fields(c.error.Error()), " "))
}

func (c condensed) Unwrap() error { return c.error }

// unknown hides what an error is of, but not its text.
type unknown struct{ cause error }

func (u unknown) Error() string { return u.cause.Error() }
