package authnzerver

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// A Fernet token: a version, the time in seconds, an initialization vector, what is encrypted by AES in CBC mode, and an
// HMAC of all that; in base64. The first half of a key signs, the second encrypts.
const (
	fernetVersion   = 0x80
	fernetTimeEnd   = 1 + 8
	fernetHeadEnd   = fernetTimeEnd + aes.BlockSize
	fernetShortest  = fernetHeadEnd + aes.BlockSize + sha256.Size
	fernetKeyMiddle = keyBytes / 2
)

func sealFernet(key, plain []byte) ([]byte, error) {
	iv := make([]byte, aes.BlockSize)
	if _, err := rand.Read(iv); err != nil {
		return nil, err
	}
	return sealFernetWith(key, plain, iv, uint64(time.Now().Unix())), nil
}

func sealFernetWith(key, plain, iv []byte, seconds uint64) []byte {
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	raw := make([]byte, fernetHeadEnd+len(plain)+padding, fernetHeadEnd+len(plain)+padding+sha256.Size)
	raw[0] = fernetVersion
	binary.BigEndian.PutUint64(raw[1:], seconds)
	copy(raw[fernetTimeEnd:], iv)
	body := raw[fernetHeadEnd:]
	for place := copy(body, plain); place < len(body); place++ {
		body[place] = byte(padding)
	}
	cipher.NewCBCEncrypter(blockCipher(key), iv).CryptBlocks(body, body)
	raw = append(raw, signature(key[:fernetKeyMiddle], raw)...)
	token := make([]byte, base64.URLEncoding.EncodedLen(len(raw)))
	base64.URLEncoding.Encode(token, raw)
	return token
}

// openFernet looks at nothing that the signature does not vouch for. How old a token is does not matter here: each
// answer carries the random ID of its request.
func openFernet(key, token []byte) ([]byte, bool) {
	raw, ok := decodeStrictly(base64.URLEncoding, token)
	if !ok || len(raw) < fernetShortest || raw[0] != fernetVersion {
		return nil, false
	}
	signed, tag := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if !hmac.Equal(tag, signature(key[:fernetKeyMiddle], signed)) {
		return nil, false
	}
	body := signed[fernetHeadEnd:]
	if len(body)%aes.BlockSize != 0 {
		return nil, false
	}
	cipher.NewCBCDecrypter(blockCipher(key), signed[fernetTimeEnd:fernetHeadEnd]).CryptBlocks(body, body)
	padding := int(body[len(body)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, false
	}
	plain := body[:len(body)-padding]
	for _, letter := range body[len(plain):] {
		if int(letter) != padding {
			return nil, false
		}
	}
	return plain, true
}

func blockCipher(key []byte) cipher.Block {
	block, err := aes.NewCipher(key[fernetKeyMiddle:])
	if err != nil {
		panic("a key ring has keys of one length only: " + err.Error())
	}
	return block
}
