package authnzerver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"authnzerver.example/authnzerver/internal/testserver"
)

const password = "quiet-lanterns-over-9-hills"

var real *testserver.Real

func TestMain(m *testing.M) {
	server, err := testserver.Start()
	if err != nil {
		panic(err)
	}
	real = server
	status := m.Run()
	real.Close()
	os.Exit(status)
}

var visitor = SessionNewParams{Expires: Int(1)}

func must[T any](t *testing.T) func(*T, error) *T {
	return func(answer *T, err error) *T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

func assertRefused[T any](t *testing.T, _ *T, err error) *RefusedError {
	t.Helper()
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("not refused: %v", err)
	}
	return refused
}

func TestConversation(t *testing.T) {
	ctx := context.Background()
	site := callerOf(t, real.URL, real.Key, Policy{Tries: 1})
	const address = "conversation@example.org"
	started := must[SignupStartAnswer](t)(site.SignupStart(ctx, SignupStartParams{
		FullName: "Alice", Email: address, Password: password,
		Link: "https://site.example/verify", SiteName: "A site",
	}))
	if started.Next != "link" {
		t.Error(started.Next)
	}
	verified := must[SignupFinishAnswer](t)(site.SignupFinish(ctx, SignupFinishParams{Code: real.Code(address)}))
	if verified.Next != "login" || verified.User.Email != address || verified.SessionToken != nil {
		t.Errorf("%+v", verified)
	}

	before := visitor
	before.ExtraInfoJSON = map[string]any{"seen": 1}
	anonymous := must[SessionNewAnswer](t)(site.SessionNew(ctx, before)).SessionToken
	login := must[LoginAnswer](t)(site.Login(ctx, LoginParams{
		Email: address, Password: password, SessionToken: &anonymous,
	}))
	if !login.Expires.After(time.Now()) {
		t.Error(login.Expires)
	}
	_, err := site.SessionExists(ctx, SessionExistsParams{SessionToken: anonymous})
	assertRefused(t, (*SessionExistsAnswer)(nil), err)

	who := SessionInfoParams{SessionToken: login.SessionToken}.Call()
	may := UserCheckAccessParams{
		UserID: login.User.UserID, UserRole: login.User.UserRole,
		Action: "delete", TargetName: "user", TargetOwner: 1, TargetVisibility: "private",
	}.Call()
	both := must[Answers](t)(site.Together(ctx, who, may))
	if info := must[SessionInfoAnswer](t)(who.From(both)); info.SessionInfo.UserRole != "authenticated" {
		t.Errorf("%+v", info)
	}
	_, err = may.From(both)
	assertRefused(t, (*UserCheckAccessAnswer)(nil), err)
	last := SessionInfoParams{SessionToken: login.SessionToken}.Call()
	stopped := must[Answers](t)(site.TogetherUntilFailure(ctx, may, last))
	var unavailable *UnavailableError
	if _, err := last.From(stopped); !errors.As(err, &unavailable) || unavailable.MaybeDone {
		t.Error(err)
	}

	key := must[APIKeyIssueAnswer](t)(site.APIKeyIssue(ctx, APIKeyIssueParams{
		SessionToken: login.SessionToken, Name: "mine", Scopes: Strings("view:dataset"),
	}))
	check := APIKeyCheckParams{APIKey: key.APIKey, Action: Ptr("view"), TargetName: Ptr("dataset")}
	checked := must[APIKeyCheckAnswer](t)(site.APIKeyCheck(ctx, check))
	if checked.UserID != login.User.UserID || checked.Permitted == nil || !*checked.Permitted {
		t.Errorf("%+v", checked)
	}
	check.Action = Ptr("delete")
	_, err = site.APIKeyCheck(ctx, check)
	assertRefused(t, (*APIKeyCheckAnswer)(nil), err)
	listed := must[APIKeyListAnswer](t)(site.APIKeyList(ctx, APIKeyListParams{SessionToken: login.SessionToken}))
	if len(listed.APIKeys) != 1 || *listed.APIKeys[0].Name != "mine" {
		t.Errorf("%+v", listed)
	}

	_, err = site.Login(ctx, LoginParams{Email: address, Password: "wrong"})
	refused := assertRefused(t, (*LoginAnswer)(nil), err)
	if refused.Reason != "user does not exist or password doesn't match" || refused.RetryAfter <= 0 {
		t.Errorf("%+v", refused)
	}
	_, err = site.SessionNew(ctx, SessionNewParams{})
	if refused := assertRefused(t, (*SessionNewAnswer)(nil), err); !refused.IsInvalid() {
		t.Errorf("%+v", refused)
	}

	var limited *OverLimitError
	for tries := 0; tries < 20 && !errors.As(err, &limited); tries++ {
		_, err = site.ResetStart(ctx, ResetStartParams{
			Email: "nobody@example.org", Link: "https://site.example/reset", SiteName: "A site",
		})
	}
	if limited == nil || limited.RetryAfter <= 0 {
		t.Error(err)
	}
}

func TestManyAskAtOnce(t *testing.T) {
	client := callerOf(t, real.URL, real.Key, Policy{ConnectionsMax: 4}).client
	failed := make(chan error)
	for asker := 0; asker < 16; asker++ {
		address := fmt.Sprintf("192.0.2.%d", 100+asker)
		go func() { failed <- askForOwn(client.At(address, "Browser/1.0"), address) }()
	}
	for asker := 0; asker < 16; asker++ {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// askForOwn sees whether each answer is to what was asked.
func askForOwn(site *Caller, address string) error {
	ctx := context.Background()
	for times := 0; times < 5; times++ {
		made, err := site.SessionNew(ctx, visitor)
		if err != nil {
			return err
		}
		info, err := site.SessionInfo(ctx, SessionInfoParams{SessionToken: made.SessionToken})
		if err != nil {
			return err
		}
		if info.SessionInfo.SessionToken != made.SessionToken || info.SessionInfo.IPAddress != address {
			return fmt.Errorf("%s gets an answer to %s", address, info.SessionInfo.IPAddress)
		}
	}
	return nil
}

func TestVectorIsOpenedByTheServer(t *testing.T) {
	sealed := vectors.Sealing[len(vectors.Sealing)-1].Sealed
	response, err := http.Post(real.URL, "text/plain", bytes.NewReader([]byte(sealed)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	plain, ok := mustParse(t, vectors.Keys[0]).open(body)
	var answer struct {
		Success bool
		ReqID   string
	}
	if !ok || json.Unmarshal(plain, &answer) != nil || answer.Success || answer.ReqID != vectors.ReqID {
		t.Errorf("%v %s", ok, plain)
	}
}

func TestKeyIsChangedWithoutAPause(t *testing.T) {
	newKey := vectors.Keys[1]
	old := callerOf(t, real.URL, real.Key, Policy{})
	both := callerOf(t, real.URL, newKey+","+real.Key, Policy{})
	changed := callerOf(t, real.URL, newKey, Policy{})
	defer real.Tell("only " + real.Key)
	for _, step := range []struct {
		told     string
		answered map[*Caller]bool
	}{
		{"start", map[*Caller]bool{old: true, both: true, changed: false}},
		{"add " + newKey, map[*Caller]bool{old: true, both: true, changed: true}},
		{"only " + newKey, map[*Caller]bool{old: false, both: true, changed: true}},
	} {
		if step.told != "start" {
			real.Tell(step.told)
		}
		for caller, answered := range step.answered {
			_, err := caller.SessionNew(context.Background(), visitor)
			var misconfigured *MisconfiguredError
			if answered && err != nil {
				t.Errorf("%s: %v", step.told, err)
			} else if !answered && (!errors.As(err, &misconfigured) || !misconfigured.IsBadKey) {
				t.Errorf("%s: %v", step.told, err)
			}
		}
	}
}

func TestStoppedServerIsUnavailableAndComesBack(t *testing.T) {
	ctx := context.Background()
	site := callerOf(t, real.URL, real.Key, Policy{})
	token := must[SessionNewAnswer](t)(site.SessionNew(ctx, visitor)).SessionToken
	real.Tell("stop")
	_, err := site.SessionExists(ctx, SessionExistsParams{SessionToken: token})
	var unavailable *UnavailableError
	if !errors.As(err, &unavailable) || unavailable.MaybeDone {
		t.Error(err)
	}
	real.Tell("start")
	must[SessionNewAnswer](t)(site.SessionNew(ctx, visitor))
	info := must[SessionExistsAnswer](t)(site.SessionExists(ctx, SessionExistsParams{SessionToken: token}))
	if info.SessionInfo.UserID != 2 {
		t.Errorf("%+v", info)
	}
}
