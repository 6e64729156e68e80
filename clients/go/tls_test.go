package authnzerver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"authnzerver.example/authnzerver/internal/testserver"
)

// authority makes a certificate for this machine's address, with its key, as PEM, and who trusts whoever signed it.
func authority(t *testing.T) ([]byte, *tls.Config) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	made := func() (*ecdsa.PrivateKey, x509.Certificate) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		now := time.Now()
		return key, x509.Certificate{
			SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "a test"}, BasicConstraintsValid: true,
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		}
	}
	caKey, ca := made()
	ca.IsCA = true
	caDER, err := x509.CreateCertificate(rand.Reader, &ca, &ca, &caKey.PublicKey, caKey)
	must(err)
	key, server := made()
	server.Subject.CommonName, server.IPAddresses = "a server", []net.IP{net.IPv4(127, 0, 0, 1)}
	serverDER, err := x509.CreateCertificate(rand.Reader, &server, &ca, &key.PublicKey, caKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	var text bytes.Buffer
	must(pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: serverDER}))
	must(pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	parsed, err := x509.ParseCertificate(caDER)
	must(err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return text.Bytes(), &tls.Config{RootCAs: roots}
}

func TestOnlyAServerThatSomebodyVouchesForIsToldAnything(t *testing.T) {
	certificate, trusting := authority(t)
	_, trustingAnother := authority(t)
	file := filepath.Join(t.TempDir(), "server.pem")
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	secure, err := testserver.Start("CERTIFICATE=" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer secure.Close()
	ask := func(url string, config *tls.Config) error {
		client, err := NewClient(url, mustParse(t, secure.Key), Options{Policy: Policy{Tries: 1}, TLS: config})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for times := 0; times < 3 && err == nil; times++ {
			_, err = client.Itself().SessionNew(context.Background(), visitor)
		}
		return err
	}
	if err := ask(secure.URL, trusting); err != nil {
		t.Error(err)
	}
	byName := strings.Replace(secure.URL, "127.0.0.1", "localhost", 1)
	for _, one := range []struct {
		url    string
		config *tls.Config
	}{{secure.URL, nil}, {secure.URL, trustingAnother}, {byName, trusting}} {
		err := ask(one.url, one.config)
		if unavailable := unavailableOf(t, err); unavailable.MaybeDone || !strings.Contains(err.Error(), "x509") {
			t.Errorf("%s: %v", one.url, err)
		}
	}
}

func TestWhoeverSpeaksNoTLSGetsNoMessage(t *testing.T) {
	server := testserver.Script(testserver.Reply{Status: 200})
	defer server.Close()
	err := askOnce(callerOf(t, strings.Replace(server.URL, "http:", "https:", 1), vectors.Keys[0], Policy{Tries: 1}))
	if unavailable := unavailableOf(t, err); unavailable.MaybeDone || len(server.Asked()) != 0 {
		t.Error(unavailable)
	}
}

func TestWhoeverNeverFinishesAHandshakeIsNotWaitedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	// Connections wait in the queue of the listener, and nobody takes them from there.
	policy := Policy{Tries: 1, ConnectTimeout: 100 * time.Millisecond}
	err = askOnce(callerOf(t, "https://"+listener.Addr().String(), vectors.Keys[0], policy))
	if unavailable := unavailableOf(t, err); unavailable.MaybeDone {
		t.Error(unavailable)
	}
}
