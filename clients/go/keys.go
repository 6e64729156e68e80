package authnzerver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"strings"
)

const (
	keyBytes = 32
	keysMax  = 8
)

var (
	note      = regexp.MustCompile(`(^|\s)#.*`)
	separator = regexp.MustCompile(`[,\s]+`)
)

// KeyRing is one key or, while it is being changed, several. Messages are sealed with the first.
type KeyRing struct {
	keys [][]byte
}

// ParseKeys reads keys as they stand in the server's key file: with commas or white space between them, and behind a #
// in a line whatever an operator noted.
func ParseKeys(text string) (*KeyRing, error) {
	ring := &KeyRing{}
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n") {
		for _, word := range separator.Split(note.ReplaceAllString(line, ""), -1) {
			word = strings.Trim(word, `"'`)
			if word == "" {
				continue
			}
			key, err := decodeKey(word)
			if err != nil {
				return nil, fmt.Errorf("key %d %w", len(ring.keys)+1, err)
			}
			ring.keys = append(ring.keys, key)
		}
	}
	if len(ring.keys) == 0 || len(ring.keys) > keysMax {
		return nil, fmt.Errorf("there are %d keys; it takes 1 to %d", len(ring.keys), keysMax)
	}
	return ring, nil
}

// ReadKeyFile reads a key file.
func ReadKeyFile(path string) (*KeyRing, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseKeys(string(text))
}

func decodeKey(word string) ([]byte, error) {
	word = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(word, "="))
	key, err := base64.RawURLEncoding.DecodeString(word)
	if err != nil {
		return nil, fmt.Errorf("is not base64")
	}
	if len(key) != keyBytes {
		return nil, fmt.Errorf("has %d bytes instead of %d (is it the name of a file?)", len(key), keyBytes)
	}
	return key, nil
}

// Len is how many keys there are.
func (ring *KeyRing) Len() int { return len(ring.keys) }

// String never shows a key.
func (ring *KeyRing) String() string { return fmt.Sprintf("a ring of %d keys", len(ring.keys)) }

// GoString never shows a key.
func (ring *KeyRing) GoString() string { return ring.String() }

// Format never shows a key, whatever the verb.
func (ring *KeyRing) Format(state fmt.State, _ rune) { fmt.Fprint(state, ring.String()) }

// Derived gives, for each key, another one for a purpose of the site's own.
func (ring *KeyRing) Derived(purpose string) [][]byte {
	derived := make([][]byte, 0, len(ring.keys))
	for _, key := range ring.keys {
		derived = append(derived, signature(key, []byte("authnzerver site: "+purpose)))
	}
	return derived
}

func signature(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}

// seal seals with the key at this place, and open opens with whichever key fits, or not at all. Both are of base64
// around a Fernet token.
func (ring *KeyRing) seal(plain []byte, place int) ([]byte, error) {
	token, err := sealFernet(ring.keys[place], plain)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, base64.StdEncoding.EncodedLen(len(token)))
	base64.StdEncoding.Encode(sealed, token)
	return sealed, nil
}

func (ring *KeyRing) open(sealed []byte) ([]byte, bool) {
	token, ok := decodeStrictly(base64.StdEncoding, sealed)
	if !ok {
		return nil, false
	}
	for _, key := range ring.keys {
		if plain, ok := openFernet(key, token); ok {
			return plain, true
		}
	}
	return nil, false
}

// decodeStrictly takes no line breaks, which package base64 would skip.
func decodeStrictly(encoding *base64.Encoding, text []byte) ([]byte, bool) {
	for _, letter := range text {
		if letter == '\n' || letter == '\r' {
			return nil, false
		}
	}
	decoded := make([]byte, encoding.DecodedLen(len(text)))
	length, err := encoding.Decode(decoded, text)
	return decoded[:length], err == nil
}
