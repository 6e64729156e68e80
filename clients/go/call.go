package authnzerver

import (
	"context"
	"encoding/json"
	"reflect"
	"time"
)

// Answer is what every request that was carried out has.
type Answer struct {
	// What may be shown to the end user.
	Messages []string `json:"messages"`
}

func (answer *Answer) setMessages(messages []string) { answer.Messages = messages }

// Call is a request with its parameters. It never shows them: they may be passwords.
type Call[T any] struct{ call }

type call struct {
	request   string
	onlyReads bool
	params    func(*Caller) any
}

func newCall[T any](request string, onlyReads bool, params func(*Caller) any) *Call[T] {
	return &Call[T]{call{request, onlyReads, params}}
}

// String is the name of the request.
func (c *call) String() string { return c.request }

// AnyCall is a Call, whatever its answer is.
type AnyCall interface{ value() *call }

func (c *call) value() *call { return c }

// Ask asks a call.
func Ask[T any](ctx context.Context, caller *Caller, asked *Call[T]) (*T, error) {
	opened, err := caller.client.exchange(ctx, caller, &asked.call)
	if err != nil {
		return nil, err
	}
	return read(asked, opened)
}

// result is what a request came to: an answer as a whole, or a part of one.
type result struct {
	success  json.RawMessage
	response json.RawMessage
	messages json.RawMessage
	reason   json.RawMessage
}

// read gives the answer of a call; an error says why it was not done.
func read[T any](asked *Call[T], came result) (*T, error) {
	var messages []string
	if isNull(came.messages) || decodeValue(came.messages, reflect.ValueOf(&messages).Elem()) != nil {
		return nil, badAnswer("the answer's messages are not texts")
	}
	switch string(came.success) {
	case "true":
		answer := new(T)
		if err := decodeRecord(came.response, reflect.ValueOf(answer).Elem()); err != nil {
			return nil, badAnswer(err.Error())
		}
		any(answer).(interface{ setMessages([]string) }).setMessages(messages)
		return answer, nil
	case "false":
		refused := &RefusedError{Request: asked.request, Messages: messages}
		if json.Unmarshal(came.reason, &refused.Reason) != nil {
			refused.Reason = ""
		}
		refused.Response, _ = decodeObject(came.response)
		var seconds int64
		if decodeValue(refused.Response["retry_after"], reflect.ValueOf(&seconds).Elem()) == nil && seconds > 0 {
			refused.RetryAfter = ofSeconds(seconds)
		}
		return nil, refused
	}
	return nil, badAnswer("the answer does not say whether it was done")
}

// ofSeconds cuts what a Duration cannot hold.
func ofSeconds(seconds int64) time.Duration {
	const most = int64(time.Duration(1<<63-1) / time.Second)
	if seconds > most {
		seconds = most
	}
	return time.Duration(seconds) * time.Second
}
