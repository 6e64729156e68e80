package authnzerver

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Client has connections to one server, for all goroutines of a program.
//
// Ask through At, which names the end user on whose behalf it is; through Itself for what the program does of its own
// accord.
type Client struct {
	keys      *KeyRing
	policy    Policy
	address   string
	transport *http.Transport
	// Another one in tests, where answers are fixed.
	newReqID func() (string, error)
}

// Options is what a Client may be told.
type Options struct {
	Policy Policy
	// For https; nil trusts what the system trusts.
	TLS *tls.Config
}

// NewClient makes a client of the server at http://HOST:PORT or https://HOST:PORT. It connects when it is asked.
func NewClient(address string, keys *KeyRing, options Options) (*Client, error) {
	parsed, err := url.Parse(address)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Hostname() == "" {
		return nil, errors.New("the server's address is http://HOST:PORT or https://HOST:PORT")
	}
	if (parsed.Path != "" && parsed.Path != "/") || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil {
		return nil, errors.New("the server's address has nothing behind its port")
	}
	if keys == nil {
		return nil, errors.New("a client needs a key ring")
	}
	policy := options.Policy.completed()
	return &Client{
		keys:      keys,
		policy:    policy,
		address:   parsed.Scheme + "://" + parsed.Host + "/",
		transport: newTransport(policy, options.TLS),
		newReqID:  randomID,
	}, nil
}

// Keys are those that messages are sealed with.
func (client *Client) Keys() *KeyRing { return client.keys }

// At asks on behalf of the end user at this address, with this browser. It is cheap: one for each request that a site
// gets.
func (client *Client) At(address, userAgent string) *Caller {
	return &Caller{client: client, address: address, userAgent: userAgent}
}

// Itself asks for what the program does of its own accord.
func (client *Client) Itself() *Caller { return client.At("127.0.0.1", "") }

// Close closes the idle connections.
func (client *Client) Close() { client.transport.CloseIdleConnections() }

// Caller asks on behalf of one end user.
type Caller struct {
	client    *Client
	address   string
	userAgent string
}

type message struct {
	Request       string `json:"request"`
	Body          any    `json:"body"`
	ReqID         string `json:"reqid"`
	ClientAddress string `json:"client_ipaddr"`
}

// exchange sends a message as often as it may be sent, and gives the opened answer to it.
func (client *Client) exchange(ctx context.Context, caller *Caller, asked *call) (result, error) {
	reqID, err := client.newReqID()
	if err != nil {
		return result{}, fmt.Errorf("there are no random numbers: %w", err)
	}
	plain, err := json.Marshal(message{asked.request, asked.params(caller), reqID, caller.address})
	if err != nil {
		// What cannot be written stands in the error, and may be a password.
		return result{}, &MisconfiguredError{why: "the parameters of " + asked.request + " cannot be written as JSON"}
	}
	for place, tried := 0, 0; ; {
		reply, err := client.send(ctx, plain, place)
		if err == nil && reply.status == http.StatusUnauthorized && place+1 < client.keys.Len() {
			// A message that the server cannot open does nothing.
			place++
			continue
		}
		if err == nil {
			var came result
			if came, err = client.opened(asked, reqID, reply); err == nil {
				return came, nil
			}
		}
		tried++
		pause, again := client.policy.pause(err, asked.onlyReads, tried)
		if !again || !sleep(ctx, pause) {
			return result{}, err
		}
	}
}

// opened is the answer to this very request.
func (client *Client) opened(asked *call, reqID string, reply reply) (result, error) {
	if reply.status != http.StatusOK {
		return result{}, errorOf(asked.request, int64(reply.status), reply.retryAfter, reply.saysWhen)
	}
	plain, ok := client.keys.open(reply.body)
	if !ok {
		return result{}, badAnswer("the answer is not sealed with our key")
	}
	members, ok := decodeObject(plain)
	if !ok {
		return result{}, badAnswer("the answer is no JSON object")
	}
	var answered string
	if json.Unmarshal(members["reqid"], &answered) != nil || answered != reqID {
		return result{}, badAnswer("this is the answer to another request")
	}
	return result{members["success"], members["response"], members["messages"], members["failure_reason"]}, nil
}

// sleep tells whether the pause has passed and the context has not ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	if ends, has := ctx.Deadline(); has && time.Until(ends) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func randomID() (string, error) {
	bytes := make([]byte, 16)
	_, err := rand.Read(bytes)
	return base64.RawURLEncoding.EncodeToString(bytes), err
}
