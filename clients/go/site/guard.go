package site

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"

	"authnzerver.example/authnzerver"
)

// guard is who may see what lies below a path.
type guard struct {
	path  string
	roles []string
	may   *access
	key   *access
}

type access struct{ action, item string }

// Term is what a guard asks for beyond a login.
type Term func(*guard)

// Roles asks for one of these roles.
func Roles(roles ...string) Term { return func(guard *guard) { guard.roles = roles } }

// May asks the policy whether it permits an action on a kind of item of the user's own.
func May(action, item string) Term { return func(guard *guard) { guard.may = &access{action, item} } }

// Key asks, instead of a login, for an API key that is good for an action on a kind of item.
func Key(action, item string) Term { return func(guard *guard) { guard.key = &access{action, item} } }

// Guard shows what lies at a path, and below it, only to whoever is logged in and fulfils all terms. All guards have to
// be there before the site serves.
func (site *Site) Guard(path string, terms ...Term) {
	added := guard{path: path}
	for _, term := range terms {
		term(&added)
	}
	site.guards = append(site.guards, added)
}

// covers tells whether it holds for one reading of a path.
func (guard *guard) covers(way string) bool {
	own := strings.ToLower(strings.TrimRight(guard.path, "/"))
	return way == own || strings.HasPrefix(way, own+"/")
}

// look sees whose session it is, and tells whether that answers the request. What the policy says is asked in the same
// message, about whom the session belonged to the last time.
func (site *Site) look(visit *Visit, guards []guard) (bool, error) {
	if visit.token == "" {
		return len(guards) > 0 && visit.toLogin(), nil
	}
	var wanted []*access
	for _, guard := range guards {
		if guard.may != nil {
			wanted = append(wanted, guard.may)
		}
	}
	known, isKnown := site.hintOf(visit.token)
	who := authnzerver.SessionInfoParams{SessionToken: visit.token}.Call()
	asked, checks := []authnzerver.AnyCall{who}, []*authnzerver.Call[authnzerver.UserCheckAccessAnswer]{}
	if isKnown {
		checks = accessCalls(known, wanted)
		for _, check := range checks {
			asked = append(asked, check)
		}
	}
	answers, err := visit.caller.Together(visit.request.Context(), asked...)
	if err != nil {
		return true, err
	}
	info, err := who.From(answers)
	var refused *authnzerver.RefusedError
	if errors.As(err, &refused) {
		site.forgetHint(visit.token)
		visit.forget()
		return len(guards) > 0 && visit.toLogin(), nil
	} else if err != nil {
		return true, err
	}
	visit.Session = &info.SessionInfo
	if err := visit.prolong(); err != nil {
		return true, err
	}
	if len(guards) == 0 {
		return false, nil
	}
	if !visit.IsLoggedIn() {
		return visit.toLogin(), nil
	}
	for _, guard := range guards {
		if len(guard.roles) > 0 && !visit.HasRole(guard.roles...) {
			return visit.say(http.StatusForbidden, textForbidden), nil
		}
	}
	now := hint{visit.Session.UserID, visit.Session.UserRole}
	if len(wanted) > 0 && (!isKnown || known != now) {
		// The first time, or the role has changed since: what was asked along was about somebody else.
		site.keepHint(visit.token, now)
		checks, asked = accessCalls(now, wanted), nil
		for _, check := range checks {
			asked = append(asked, check)
		}
		if answers, err = visit.caller.Together(visit.request.Context(), asked...); err != nil {
			return true, err
		}
	}
	for _, check := range checks {
		if _, err := check.From(answers); errors.As(err, &refused) {
			return visit.say(http.StatusForbidden, textForbidden), nil
		} else if err != nil {
			return true, err
		}
	}
	return false, nil
}

func accessCalls(who hint, wanted []*access) []*authnzerver.Call[authnzerver.UserCheckAccessAnswer] {
	var calls []*authnzerver.Call[authnzerver.UserCheckAccessAnswer]
	for _, may := range wanted {
		calls = append(calls, authnzerver.UserCheckAccessParams{
			UserID: who.userID, UserRole: who.userRole, Action: may.action, TargetName: may.item,
			TargetOwner: who.userID, TargetVisibility: "private",
		}.Call())
	}
	return calls
}

func (site *Site) hintOf(token string) (hint, bool) {
	site.lock.Lock()
	defer site.lock.Unlock()
	found, is := site.hints[sha256.Sum256([]byte(token))]
	return found, is
}

func (site *Site) keepHint(token string, now hint) {
	site.lock.Lock()
	defer site.lock.Unlock()
	for one := range site.hints {
		if len(site.hints) < hintsMax {
			break
		}
		delete(site.hints, one)
	}
	site.hints[sha256.Sum256([]byte(token))] = now
}

func (site *Site) forgetHint(token string) {
	site.lock.Lock()
	defer site.lock.Unlock()
	delete(site.hints, sha256.Sum256([]byte(token)))
}

// checkKey lets in who has an API key, and tells whether the request is answered. What comes with a key is done for its
// owner, and for no cookie; since no browser sends a key by itself, nobody forges it.
func (site *Site) checkKey(visit *Visit, guards []guard) (bool, error) {
	visit.token = ""
	scheme, key, _ := strings.Cut(visit.request.Header.Get("Authorization"), " ")
	if key = strings.TrimSpace(key); !strings.EqualFold(scheme, "Bearer") || key == "" {
		visit.writer.Header().Set("WWW-Authenticate", "Bearer")
		return visit.sayPlainly(http.StatusUnauthorized, "an API key is missing"), nil
	}
	var checks []*authnzerver.Call[authnzerver.APIKeyCheckAnswer]
	var asked []authnzerver.AnyCall
	for _, guard := range guards {
		if guard.key == nil {
			continue
		}
		check := authnzerver.APIKeyCheckParams{
			APIKey: key, Action: &guard.key.action, TargetName: &guard.key.item,
		}.Call()
		checks, asked = append(checks, check), append(asked, check)
	}
	answers, err := visit.caller.Together(visit.request.Context(), asked...)
	if err != nil {
		return true, err
	}
	for _, check := range checks {
		answer, err := check.From(answers)
		var refused *authnzerver.RefusedError
		if errors.As(err, &refused) {
			switch refused.Reason {
			case "action not within the API key's scopes", "action not permitted":
				return visit.sayPlainly(http.StatusForbidden, "the API key is not good for this"), nil
			}
			return visit.sayPlainly(http.StatusUnauthorized, "the API key is not good for this"), nil
		} else if err != nil {
			return true, err
		}
		visit.KeyOwner = &answer.UserID
	}
	return false, nil
}
