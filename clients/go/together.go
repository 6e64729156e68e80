package authnzerver

import (
	"context"
	"encoding/json"
	"time"
)

// Answers are what several calls came to: call.From(answers) is the answer to one of them, or why there is none.
type Answers struct {
	asked []*call
	parts []PartAnswer
}

type part struct {
	Request string `json:"request"`
	Body    any    `json:"body"`
}

type parts struct {
	Requests      []part `json:"requests"`
	StopOnFailure bool   `json:"stop_on_failure,omitempty"`
}

// Together asks up to 16 calls in one message, each as if it had come alone.
func (c *Caller) Together(ctx context.Context, asked ...AnyCall) (*Answers, error) {
	return c.together(ctx, false, asked)
}

// TogetherUntilFailure is Together, but what comes after a call that was not done is not asked.
func (c *Caller) TogetherUntilFailure(ctx context.Context, asked ...AnyCall) (*Answers, error) {
	return c.together(ctx, true, asked)
}

func (c *Caller) together(ctx context.Context, stops bool, asked []AnyCall) (*Answers, error) {
	answers, sent, onlyRead := &Answers{}, parts{StopOnFailure: stops}, true
	for _, one := range asked {
		call := one.value()
		answers.asked = append(answers.asked, call)
		sent.Requests = append(sent.Requests, part{call.request, call.params(c)})
		onlyRead = onlyRead && call.onlyReads
	}
	answer, err := Ask(ctx, c, newCall[BatchAnswer]("batch", onlyRead, func(*Caller) any { return sent }))
	if err != nil {
		return nil, err
	}
	if len(answer.Answers) > len(answers.asked) {
		return nil, badAnswer("there are more answers than requests")
	}
	for place, part := range answer.Answers {
		if part.Request == nil || *part.Request != answers.asked[place].request {
			return nil, badAnswer("these are the answers to other requests")
		}
	}
	answers.parts = answer.Answers
	return answers, nil
}

// From gives the answer to a call that was asked together with others.
func (asked *Call[T]) From(answers *Answers) (*T, error) {
	for place, one := range answers.asked {
		if one != &asked.call {
			continue
		}
		if place >= len(answers.parts) {
			return nil, &UnavailableError{why: "this was not asked, since one before it was not done"}
		}
		part := answers.parts[place]
		if part.Status != 200 {
			var wait time.Duration
			if part.RetryAfter != nil {
				wait = ofSeconds(*part.RetryAfter)
			}
			return nil, errorOf(asked.request, part.Status, wait, part.RetryAfter != nil)
		}
		return read(asked, part.result())
	}
	panic("the call " + asked.request + " is not among those that were asked")
}

func (part *PartAnswer) result() result {
	came := result{success: json.RawMessage("false"), response: part.Response}
	if part.Success {
		came.success = json.RawMessage("true")
	}
	came.messages, _ = json.Marshal(part.Messages)
	came.reason, _ = json.Marshal(part.FailureReason)
	return came
}
