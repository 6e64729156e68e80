package authnzerver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"authnzerver.example/authnzerver/internal/testserver"
)

func unavailableOf(t *testing.T, err error) *UnavailableError {
	t.Helper()
	var unavailable *UnavailableError
	if !errors.As(err, &unavailable) {
		t.Fatalf("%v", err)
	}
	return unavailable
}

func askOnce(caller *Caller) error {
	_, err := caller.SessionExists(context.Background(), SessionExistsParams{SessionToken: "t"})
	return err
}

func TestGarbageIsNoAnswer(t *testing.T) {
	for _, raw := range []string{
		"garbage\r\n\r\n",
		"HTTP/1.1 999999 No\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nAAAA",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50),
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n",
	} {
		server := testserver.Script(testserver.Reply{Raw: raw})
		caller := callerOf(t, server.URL, vectors.Keys[0], Policy{AnswerTimeout: 10 * time.Second})
		if unavailable := unavailableOf(t, askOnce(caller)); !unavailable.IsBadAnswer || !unavailable.MaybeDone {
			t.Errorf("%.40q: %v", raw, unavailable)
		}
		if asked := len(server.Asked()); asked != 1 {
			t.Errorf("%.40q: asked %d times", raw, asked)
		}
		server.Close()
	}
}

func TestEndlessChunksAreBounded(t *testing.T) {
	raw := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat("A", 0x1000)+"\r\n", 64)
	server := testserver.Script(testserver.Reply{Raw: raw})
	defer server.Close()
	caller := callerOf(t, server.URL, vectors.Keys[0], Policy{AnswerBytesMax: vectors.AnswerBytesMax})
	// It ends although the server has not said that this was all.
	if unavailable := unavailableOf(t, askOnce(caller)); !unavailable.IsBadAnswer || unavailable.why != "the answer is too long" {
		t.Error(unavailable)
	}
}

func TestAnswerToAnEarlierRequestIsNoAnswer(t *testing.T) {
	caller := callerOf(t, real.URL, real.Key, Policy{})
	earlier, err := caller.client.send(context.Background(), []byte(
		`{"request":"session-new","reqid":"earlier","client_ipaddr":"192.0.2.7","body":{"user_id":null,"expires":1,`+
			`"extra_info_json":null,"ip_address":"192.0.2.7","user_agent":"B"}}`), 0)
	if err != nil || earlier.status != 200 {
		t.Fatal(earlier.status, err)
	}
	server := testserver.Script(testserver.Reply{Status: 200, Body: string(earlier.body)})
	defer server.Close()
	replayed := callerOf(t, server.URL, real.Key, Policy{})
	_, err = replayed.SessionNew(context.Background(), visitor)
	if unavailable := unavailableOf(t, err); !unavailable.IsBadAnswer {
		t.Error(err)
	}
	replayed.client.newReqID = func() (string, error) { return "earlier", nil }
	if _, err = replayed.SessionNew(context.Background(), visitor); err != nil {
		t.Error("with its ID it would be one:", err)
	}
}

func TestAnswersOfABatchAreToWhatWasAsked(t *testing.T) {
	const first, second = "session-delete", "internal-email-drop"
	for _, one := range []struct {
		names  []string
		isOurs bool
	}{
		{[]string{first, second}, true},
		{[]string{first}, true},
		{[]string{second, first}, false},
		{[]string{first, first}, false},
		{[]string{first, second, first}, false},
	} {
		var parts []string
		for _, name := range one.names {
			parts = append(parts, `{"request":"`+name+`","status":200,"retry_after":null,"success":true,"response":{},`+
				`"messages":[],"failure_reason":null}`)
		}
		ring := mustParse(t, vectors.Keys[0])
		sealed, err := ring.seal([]byte(`{"success":true,"response":{"answers":[`+strings.Join(parts, ",")+
			`]},"messages":[],"reqid":"fixed"}`), 0)
		if err != nil {
			t.Fatal(err)
		}
		server := testserver.Script(testserver.Reply{Status: 200, Body: string(sealed)})
		caller := callerOf(t, server.URL, vectors.Keys[0], Policy{Tries: 1})
		caller.client.newReqID = func() (string, error) { return "fixed", nil }
		end, drop := SessionDeleteParams{SessionToken: "t"}.Call(), InternalEmailDropParams{Number: 1}.Call()
		answers, err := caller.Together(context.Background(), end, drop)
		server.Close()
		if !one.isOurs {
			if unavailable := unavailableOf(t, err); !unavailable.IsBadAnswer {
				t.Errorf("%v: %v", one.names, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(one.names, err)
		}
		_, err = end.From(answers)
		if _, other := drop.From(answers); err != nil || (other == nil) != (len(one.names) == 2) {
			t.Errorf("%v: %v, %v", one.names, err, other)
		}
	}
}

func TestEachRequestHasItsOwnID(t *testing.T) {
	one, _ := randomID()
	other, _ := randomID()
	if one == other || len(one) != 22 {
		t.Error(one, other)
	}
}

func TestSlowAnswerIsNotWaitedForLongerThanAsked(t *testing.T) {
	held := make(chan struct{})
	server := testserver.Script(testserver.Reply{Status: 500, Held: held})
	defer server.Close()
	// So that whoever waits gets another answer.
	defer time.AfterFunc(5*time.Second, func() { close(held) }).Stop()
	caller := callerOf(t, server.URL, vectors.Keys[0], Policy{AnswerTimeout: 50 * time.Millisecond, Tries: 1})
	unavailable := unavailableOf(t, askOnce(caller))
	if !unavailable.MaybeDone || !errors.Is(unavailable, context.DeadlineExceeded) {
		t.Error(unavailable)
	}
}

func TestContextEndsARequest(t *testing.T) {
	held := make(chan struct{})
	server := testserver.Script(testserver.Reply{Status: 500, Held: held})
	defer server.Close()
	defer close(held)
	caller := callerOf(t, server.URL, vectors.Keys[0], Policy{})
	ctx, cancel := context.WithCancel(context.Background())
	came := make(chan error)
	go func() {
		_, err := caller.SessionExists(ctx, SessionExistsParams{SessionToken: "t"})
		came <- err
	}()
	for len(server.Asked()) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-came; !errors.Is(err, context.Canceled) || !unavailableOf(t, err).MaybeDone {
		t.Error(err)
	}
	if asked := len(server.Asked()); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestContextEndsAPause(t *testing.T) {
	server := testserver.Script(testserver.Reply{Status: 503, Headers: map[string]string{"Retry-After": "3000"}})
	defer server.Close()
	caller := callerOf(t, server.URL, vectors.Keys[0], Policy{WaitMax: time.Hour})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := caller.SessionExists(ctx, SessionExistsParams{SessionToken: "t"})
	// There is no use in waiting for what comes after the deadline.
	if unavailable := unavailableOf(t, err); unavailable.RetryAfter != 50*time.Minute {
		t.Error(err)
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	caller := callerOf(t, real.URL, real.Key, Policy{})
	var dialled int
	var lock sync.Mutex
	dial := caller.client.transport.DialContext
	caller.client.transport.DialContext = countDials(dial, &lock, &dialled)
	for times := 0; times < 5; times++ {
		if _, err := caller.SessionNew(context.Background(), visitor); err != nil {
			t.Fatal(err)
		}
	}
	lock.Lock()
	defer lock.Unlock()
	if dialled != 1 {
		t.Errorf("%d connections", dialled)
	}
}

func TestNoProxyIsAsked(t *testing.T) {
	// Package http reads the environment once, so a proxy that is set now would not be seen.
	if callerOf(t, real.URL, real.Key, Policy{}).client.transport.Proxy != nil {
		t.Error("a proxy is looked for")
	}
}

func TestNoErrorShowsAParameter(t *testing.T) {
	server := testserver.Script(testserver.Reply{Status: 500})
	defer server.Close()
	caller := callerOf(t, server.URL, vectors.Keys[0], Policy{Tries: 1})
	asked := LoginParams{Email: "a@example.org", Password: "the-password"}
	_, err := caller.Login(context.Background(), asked)
	shown := fmt.Sprintf("%v %+v %#v %v %+v %#v", err, err, err, asked.Call(), asked.Call(), asked.Call())
	asked.ExtraInfoJSON = map[string]any{"the-password": func() {}}
	_, err = caller.Login(context.Background(), asked)
	if shown += fmt.Sprintf("%v %#v", err, err); strings.Contains(shown, "the-password") {
		t.Error(shown)
	}
}

func TestAddressesAreHostAndPort(t *testing.T) {
	ring := mustParse(t, vectors.Keys[0])
	for _, address := range []string{"", "auth:1", "ftp://a", "http://", "http://a/b", "http://u:p@a", "http://a?q", "http://a#f"} {
		if _, err := NewClient(address, ring, Options{}); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
	if _, err := NewClient("http://127.0.0.1", nil, Options{}); err == nil {
		t.Error("without keys")
	}
}

func TestRecordsAreWhatTheAPISays(t *testing.T) {
	const good = `{"user_id":4,"system_id":"s","full_name":null,"email":"e","user_role":"staff","more":1}`
	type wrong struct{ old, new string }
	read := func(text string) error { return decodeInto(text, &LoggedInUser{}) }
	if err := read(good); err != nil {
		t.Error(err)
	}
	for _, one := range []wrong{
		{`4`, `true`}, {`4`, `4.0`}, {`4`, `"4"`}, {`4`, `null`}, {`4`, `99999999999999999999`}, {`"s"`, `null`}, {`"s"`, `5`},
		{`"user_id"`, `"USER_ID"`}, {`null`, `5`}, {`"full_name":null,`, ``}, {`{`, `[{`}, {good, `null`},
	} {
		if err := read(strings.Replace(good, one.old, one.new, 1)); err == nil {
			t.Errorf("%s is taken for %s", one.new, one.old)
		}
	}
}
