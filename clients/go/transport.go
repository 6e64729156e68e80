package authnzerver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const headBytesMax = 16 << 10

// reply is what came over HTTP.
type reply struct {
	status     int
	body       []byte
	retryAfter time.Duration
	saysWhen   bool
}

// errConnect is what went wrong before there was a connection.
type errConnect struct{ cause error }

func (err *errConnect) Error() string { return "the server cannot be reached: " + err.cause.Error() }
func (err *errConnect) Unwrap() error { return err.cause }

// newTransport asks no proxy, follows no redirect, and speaks no HTTP/2, since the server does neither.
func newTransport(policy Policy, config *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: policy.ConnectTimeout}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, &errConnect{err}
		}
		return connection, nil
	}
	dialTLS := func(ctx context.Context, network, address string) (net.Conn, error) {
		// The dialer's time-out is for the handshake too.
		connection, err := (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, address)
		if err != nil {
			return nil, &errConnect{err}
		}
		return connection, nil
	}
	return &http.Transport{
		DialContext:            dial,
		DialTLSContext:         dialTLS,
		DisableCompression:     true,
		MaxIdleConns:           policy.ConnectionsMax,
		MaxIdleConnsPerHost:    policy.ConnectionsMax,
		IdleConnTimeout:        policy.IdleMax,
		MaxResponseHeaderBytes: headBytesMax,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

// send sends a message once, sealed with the key at this place.
func (client *Client) send(ctx context.Context, plain []byte, place int) (reply, error) {
	sealed, err := client.keys.seal(plain, place)
	if err != nil {
		return reply{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, client.policy.AnswerTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(bounded, http.MethodPost, client.address, bytes.NewReader(sealed))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", "text/plain")
	request.Header["User-Agent"] = nil
	response, err := client.transport.RoundTrip(request)
	if err != nil {
		return reply{}, failed(ctx, err)
	}
	defer response.Body.Close()
	if response.ContentLength > client.policy.AnswerBytesMax {
		return reply{}, badAnswer("the answer is too long")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, client.policy.AnswerBytesMax+1))
	if err != nil {
		return reply{}, failed(ctx, err)
	}
	if int64(len(body)) > client.policy.AnswerBytesMax {
		return reply{}, badAnswer("the answer is too long")
	}
	wait, saysWhen := retryAfter(response.Header.Get("Retry-After"))
	return reply{response.StatusCode, body, wait, saysWhen}, nil
}

// failed is what an error of the transport means.
func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &UnavailableError{MaybeDone: true, why: "no answer: " + ctx.Err().Error(), cause: ctx.Err()}
	}
	var unconnected *errConnect
	if errors.As(err, &unconnected) {
		return &UnavailableError{why: unconnected.Error(), cause: unconnected.cause}
	}
	if !isBroken(err) {
		// Package http says in the error what it could not read.
		return badAnswer("no HTTP answer")
	}
	why := "no answer: " + err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		why = "no answer: it took too long"
	}
	return &UnavailableError{MaybeDone: true, why: why, cause: err}
}

// isBroken tells whether a connection ended, and not what came over it was wrong.
func isBroken(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) ||
		// It has no type.
		strings.Contains(err.Error(), "server closed idle connection")
}

// retryAfter is the time that such a header names, up to an hour.
func retryAfter(text string) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, false
	}
	seconds := int64(0)
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		if seconds = seconds*10 + int64(digit-'0'); time.Duration(seconds)*time.Second > retryAfterMax {
			seconds = int64(retryAfterMax / time.Second)
		}
	}
	return time.Duration(seconds) * time.Second, true
}
