package authnzerver

import (
	"encoding/json"
	"fmt"
	"time"
)

// No error shows a parameter, a key or an answer: they may hold passwords and tokens. Look for one with errors.As.

// RefusedError says that the server says no.
type RefusedError struct {
	// The request.
	Request string
	// Why, for this program and not for the end user; empty where there is nothing to tell.
	Reason string
	// What may be shown to the end user.
	Messages []string
	// The answer's own keys.
	Response map[string]json.RawMessage
	// When the next attempt at this password or code is looked at, where there were failed ones; else 0.
	RetryAfter time.Duration
}

func (err *RefusedError) Error() string {
	if err.Reason == "" {
		return err.Request + " was refused: no reason given"
	}
	return err.Request + " was refused: " + err.Reason
}

// IsInvalid tells whether parameters are missing or of a wrong type: a mistake of this program.
func (err *RefusedError) IsInvalid() bool { return err.Reason == "invalid request parameters" }

// OverLimitError says that the end user asks too often. Nothing was done.
type OverLimitError struct {
	RetryAfter time.Duration
}

func (err *OverLimitError) Error() string {
	return fmt.Sprintf("over a rate limit for %v", err.RetryAfter)
}

// UnavailableError says that there is no answer for now, which is never a verdict: let nobody in, and tell nobody that
// they may not.
type UnavailableError struct {
	// Whether the request may have been carried out all the same.
	MaybeDone bool
	// Whether what came back is not the answer to this request, or was not made by who has the key.
	IsBadAnswer bool
	// When to try again, where the server says so; else 0.
	RetryAfter time.Duration

	saysWhen bool
	why      string
	cause    error
}

func (err *UnavailableError) Error() string { return err.why }

// Unwrap gives what went wrong with the connection, or that the context has ended.
func (err *UnavailableError) Unwrap() error { return err.cause }

func badAnswer(why string) error {
	return &UnavailableError{MaybeDone: true, IsBadAnswer: true, why: why}
}

// MisconfiguredError says that this program and the server do not fit together; nothing was done. A person has to look
// at it.
type MisconfiguredError struct {
	// Whether the server has none of our keys.
	IsBadKey bool
	// Whether the key may not ask this request.
	IsNotAllowed bool

	why string
}

func (err *MisconfiguredError) Error() string { return err.why }

// The longest time that a server's word about when to try again is taken for.
const retryAfterMax = time.Hour

// errorOf is what a status other than 200 means.
func errorOf(request string, status int64, wait time.Duration, saysWhen bool) error {
	switch status {
	case 401:
		return &MisconfiguredError{
			IsBadKey: true,
			why:      "the server has another key: compare this program's key with the server's",
		}
	case 403:
		why := fmt.Sprintf("the key may not ask %s: see `authnzerver secret list`", request)
		return &MisconfiguredError{IsNotAllowed: true, why: why}
	case 429:
		if !saysWhen {
			wait = time.Second
		}
		return &OverLimitError{RetryAfter: wait}
	case 404, 405:
		return &MisconfiguredError{why: "no authnzerver is at this address, or it does not allow this host name"}
	case 400, 411, 413:
		return &MisconfiguredError{
			why: fmt.Sprintf("the server does not take %s as it was sent (HTTP %d)", request, status),
		}
	}
	why := fmt.Sprintf("the server answers HTTP %d", status)
	return &UnavailableError{MaybeDone: true, RetryAfter: wait, saysWhen: saysWhen, why: why}
}
