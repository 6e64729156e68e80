package authnzerver

import (
	"errors"
	"time"
)

// Policy is how patient a client is. A zero field has the value of DefaultPolicy.
type Policy struct {
	// For a connection, TLS included.
	ConnectTimeout time.Duration
	// For a request and its whole answer. After failed logins, answers come up to 40 seconds later.
	AnswerTimeout time.Duration
	// How often a request is sent at most. Only one that cannot have been done yet, or only reads, is sent again.
	Tries int
	// The longest pause before the next try, whatever Retry-After says; beyond that the error is returned at once.
	WaitMax time.Duration
	// The longest answer that is read.
	AnswerBytesMax int64
	// For how long an idle connection is kept. The server closes them after 75 seconds.
	IdleMax time.Duration
	// How many idle connections are kept.
	ConnectionsMax int
}

// DefaultPolicy is what a Client does that is told nothing else.
var DefaultPolicy = Policy{
	ConnectTimeout: 3 * time.Second,
	AnswerTimeout:  75 * time.Second,
	Tries:          3,
	WaitMax:        2 * time.Second,
	AnswerBytesMax: 32 << 20,
	IdleMax:        60 * time.Second,
	ConnectionsMax: 16,
}

func (policy Policy) completed() Policy {
	set := func(value *time.Duration, standard time.Duration) {
		if *value == 0 {
			*value = standard
		}
	}
	set(&policy.ConnectTimeout, DefaultPolicy.ConnectTimeout)
	set(&policy.AnswerTimeout, DefaultPolicy.AnswerTimeout)
	set(&policy.WaitMax, DefaultPolicy.WaitMax)
	set(&policy.IdleMax, DefaultPolicy.IdleMax)
	if policy.Tries == 0 {
		policy.Tries = DefaultPolicy.Tries
	}
	if policy.AnswerBytesMax == 0 {
		policy.AnswerBytesMax = DefaultPolicy.AnswerBytesMax
	}
	if policy.ConnectionsMax == 0 {
		policy.ConnectionsMax = DefaultPolicy.ConnectionsMax
	}
	return policy
}

// pause is how long to wait before another try, if there is to be one.
func (policy Policy) pause(err error, onlyReads bool, tried int) (time.Duration, bool) {
	if tried >= policy.Tries {
		return 0, false
	}
	var limited *OverLimitError
	if errors.As(err, &limited) {
		return limited.RetryAfter, limited.RetryAfter <= policy.WaitMax
	}
	var unavailable *UnavailableError
	// A wrong answer does not get better, and whoever forges them would like us to ask again.
	if !errors.As(err, &unavailable) || unavailable.IsBadAnswer {
		return 0, false
	}
	if unavailable.MaybeDone && !onlyReads {
		return 0, false
	}
	if unavailable.saysWhen {
		return unavailable.RetryAfter, unavailable.RetryAfter <= policy.WaitMax
	}
	wait := 50 * time.Millisecond
	for ; tried > 1 && wait < policy.WaitMax; tried-- {
		wait *= 4
	}
	if wait > policy.WaitMax {
		wait = policy.WaitMax
	}
	return wait, true
}
