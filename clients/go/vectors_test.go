package authnzerver

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"authnzerver.example/authnzerver/internal/testserver"
)

type expectation struct {
	Answer *struct {
		SessionToken string `json:"session_token"`
		Expires      string `json:"expires"`
	} `json:"answer"`
	Error      string   `json:"error"`
	Reason     *string  `json:"reason"`
	Messages   []string `json:"messages"`
	RetryAfter *int64   `json:"retry_after"`
	MaybeDone  *bool    `json:"maybe_done"`
}

type vectorFile struct {
	Keys           []string `json:"keys"`
	ReqID          string   `json:"reqid"`
	AnswerBytesMax int64    `json:"answer_bytes_max"`
	WrittenKeys    struct {
		Good []struct {
			Text string `json:"text"`
			Keys int    `json:"keys"`
		} `json:"good"`
		Bad []string `json:"bad"`
	} `json:"written_keys"`
	Sealing []struct {
		Plain  string `json:"plain"`
		Key    string `json:"key"`
		Time   uint64 `json:"time"`
		IV     string `json:"iv"`
		Sealed string `json:"sealed"`
	} `json:"sealing"`
	Fernet struct {
		Key   string `json:"key"`
		Valid struct {
			Token string `json:"token"`
			Time  uint64 `json:"time"`
			IV    string `json:"iv"`
			Plain string `json:"plain"`
		} `json:"valid"`
		Invalid []struct {
			Name  string `json:"name"`
			Token string `json:"token"`
		} `json:"invalid"`
	} `json:"fernet"`
	Replies []struct {
		Name     string           `json:"name"`
		Reply    testserver.Reply `json:"reply"`
		Expected expectation      `json:"expected"`
	} `json:"replies"`
	Retries []struct {
		Name    string           `json:"name"`
		First   testserver.Reply `json:"first"`
		Request string           `json:"request"`
		Again   bool             `json:"again"`
	} `json:"retries"`
}

var vectors = func() (read vectorFile) {
	text, err := os.ReadFile(filepath.Join(testserver.Clients(), "vectors.json"))
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		panic(err)
	}
	return read
}()

func mustParse(t *testing.T, text string) *KeyRing {
	t.Helper()
	ring, err := ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func callerOf(t *testing.T, url, keys string, policy Policy) *Caller {
	t.Helper()
	client, err := NewClient(url, mustParse(t, keys), Options{Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client.At("192.0.2.7", "Browser/1.0")
}

func TestKeysAreReadAsTheServerReadsThem(t *testing.T) {
	for _, one := range vectors.WrittenKeys.Good {
		if ring, err := ParseKeys(one.Text); err != nil || ring.Len() != one.Keys {
			t.Errorf("%q: %v", one.Text, err)
		}
	}
	for _, text := range vectors.WrittenKeys.Bad {
		if _, err := ParseKeys(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestKeyRingIsNeverShown(t *testing.T) {
	ring := mustParse(t, vectors.Keys[0])
	shown := fmt.Sprintf("%v %+v %#v %s %x %d", ring, ring, ring, ring, ring, ring)
	if strings.Contains(shown, "0102") || strings.Contains(shown, "1 2 3") || strings.Contains(shown, "0x1") {
		t.Error(shown)
	}
}

func TestMessagesAreSealedAndOpened(t *testing.T) {
	for _, one := range vectors.Sealing {
		ring := mustParse(t, one.Key)
		iv, _ := hex.DecodeString(one.IV)
		token := sealFernetWith(ring.keys[0], []byte(one.Plain), iv, one.Time)
		if sealed := base64.StdEncoding.EncodeToString(token); sealed != one.Sealed {
			t.Errorf("%q is sealed as %s", one.Plain, sealed)
		}
		again, err := ring.seal([]byte(one.Plain), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, sealed := range [][]byte{[]byte(one.Sealed), again} {
			if plain, ok := ring.open(sealed); !ok || string(plain) != one.Plain {
				t.Errorf("%q is opened as %q", one.Plain, plain)
			}
		}
	}
}

func TestTokensAreThoseOfTheSpecification(t *testing.T) {
	key := mustParse(t, vectors.Fernet.Key).keys[0]
	valid := vectors.Fernet.Valid
	iv, _ := hex.DecodeString(valid.IV)
	if token := sealFernetWith(key, []byte(valid.Plain), iv, valid.Time); string(token) != valid.Token {
		t.Errorf("made %s", token)
	}
	if plain, ok := openFernet(key, []byte(valid.Token)); !ok || string(plain) != valid.Plain {
		t.Errorf("opened %q", plain)
	}
	for _, one := range vectors.Fernet.Invalid {
		if _, ok := openFernet(key, []byte(one.Token)); ok {
			t.Errorf("%s is opened", one.Name)
		}
	}
	broken := valid.Token[:8] + "\n" + valid.Token[8:]
	if _, ok := openFernet(key, []byte(broken)); ok {
		t.Error("a token with a line break is opened")
	}
}

// Whoever has the key signs what they like.
func TestSignedNonsenseIsNotOpened(t *testing.T) {
	key := mustParse(t, vectors.Keys[0]).keys[0]
	made := func(body []byte, encrypts bool) []byte {
		raw := append(make([]byte, fernetHeadEnd), body...)
		raw[0] = fernetVersion
		if encrypts {
			cipher.NewCBCEncrypter(blockCipher(key), raw[fernetTimeEnd:fernetHeadEnd]).CryptBlocks(raw[fernetHeadEnd:], body)
		}
		raw = append(raw, signature(key[:fernetKeyMiddle], raw)...)
		return []byte(base64.URLEncoding.EncodeToString(raw))
	}
	block := bytes.Repeat([]byte{16}, 16)
	if plain, ok := openFernet(key, made(block, true)); !ok || len(plain) != 0 {
		t.Error("what fits is not opened")
	}
	for _, last := range []byte{0, 2, 15, 17, 255} {
		wrong := append(append([]byte{}, block[:15]...), last)
		if _, ok := openFernet(key, made(wrong, true)); ok {
			t.Errorf("padding of %d is taken", last)
		}
	}
	for _, length := range []int{0, 1, 15, 17, 31} {
		if _, ok := openFernet(key, made(make([]byte, length), false)); ok {
			t.Errorf("%d bytes are taken", length)
		}
	}
}

func TestEachReplyMeansWhatStandsBesideIt(t *testing.T) {
	policy := Policy{Tries: 1, AnswerBytesMax: vectors.AnswerBytesMax, AnswerTimeout: 20 * time.Second}
	for _, one := range vectors.Replies {
		one := one
		t.Run(one.Name, func(t *testing.T) {
			server := testserver.Script(one.Reply)
			defer server.Close()
			caller := callerOf(t, server.URL, strings.Join(vectors.Keys, ","), policy)
			caller.client.newReqID = func() (string, error) { return vectors.ReqID, nil }
			answer, err := caller.SessionNew(context.Background(), SessionNewParams{Expires: Int(1)})
			if one.Expected.Answer != nil {
				if err != nil {
					t.Fatal(err)
				}
				expires, _ := time.Parse(timeLayout, one.Expected.Answer.Expires)
				same := answer.SessionToken == one.Expected.Answer.SessionToken && answer.Expires.Equal(expires)
				if !same || strings.Join(answer.Messages, "|") != strings.Join(one.Expected.Messages, "|") {
					t.Errorf("%+v", answer)
				}
				return
			}
			if err == nil {
				t.Fatal("it is taken for an answer")
			}
			assertMeans(t, one.Expected, err)
		})
	}
}

func assertMeans(t *testing.T, expected expectation, err error) {
	var refused *RefusedError
	var limited *OverLimitError
	var unavailable *UnavailableError
	var misconfigured *MisconfiguredError
	var wait *time.Duration
	named := ""
	switch {
	case errors.As(err, &refused):
		named = "refused"
		if refused.RetryAfter != 0 {
			wait = &refused.RetryAfter
		}
		reason := ""
		if expected.Reason != nil {
			reason = *expected.Reason
		}
		if refused.Reason != reason || !reflect.DeepEqual(refused.Messages, expected.Messages) {
			t.Errorf("%+v", refused)
		}
	case errors.As(err, &limited):
		named, wait = "over limit", &limited.RetryAfter
	case errors.As(err, &unavailable):
		named = map[bool]string{true: "bad answer", false: "unavailable"}[unavailable.IsBadAnswer]
		if unavailable.saysWhen {
			wait = &unavailable.RetryAfter
		}
		if expected.MaybeDone == nil || unavailable.MaybeDone != *expected.MaybeDone {
			t.Errorf("maybe done: %v", unavailable.MaybeDone)
		}
	case errors.As(err, &misconfigured):
		named = "misconfigured"
		if misconfigured.IsBadKey {
			named = "bad key"
		} else if misconfigured.IsNotAllowed {
			named = "not allowed"
		}
	}
	if named != expected.Error {
		t.Errorf("%s: %v", named, err)
	}
	if (wait == nil) != (expected.RetryAfter == nil) {
		t.Errorf("it waits %v", wait)
	} else if wait != nil && *wait != time.Duration(*expected.RetryAfter)*time.Second {
		t.Errorf("it waits %v", *wait)
	}
}

func TestOnlyWhatMayBeIsAskedAgain(t *testing.T) {
	for _, one := range vectors.Retries {
		one := one
		t.Run(one.Name, func(t *testing.T) {
			server := testserver.Script(one.First, testserver.Reply{Status: 500})
			defer server.Close()
			caller := callerOf(t, server.URL, strings.Join(vectors.Keys, ","), Policy{Tries: 2})
			var err error
			if one.Request == "read" {
				_, err = caller.SessionExists(context.Background(), SessionExistsParams{SessionToken: "t"})
			} else {
				_, err = caller.SessionNew(context.Background(), SessionNewParams{Expires: Int(1)})
			}
			if err == nil {
				t.Error("it is taken for an answer")
			}
			if again := len(server.Asked()) > 1; again != one.Again {
				t.Errorf("asked %d times", len(server.Asked()))
			}
		})
	}
}
