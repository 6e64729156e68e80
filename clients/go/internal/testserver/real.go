package testserver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"
)

// Real is a real server, with a mail server, started by clients/tests/server.py.
type Real struct {
	URL    string `json:"url"`
	Key    string `json:"key"`
	Emails string `json:"emails"`
	Admin  struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	} `json:"admin"`

	process *exec.Cmd
	words   io.WriteCloser
	lines   *bufio.Reader
}

// Clients is the folder `clients`, where the vectors and the server's script are: the tests also run where this package
// was installed, and are told then.
func Clients() string {
	if folder := os.Getenv("AUTHNZERVER_CLIENTS"); folder != "" {
		return folder
	}
	folder, err := os.Getwd()
	for ; err == nil && folder != "/"; folder = filepath.Dir(folder) {
		if _, missing := os.Stat(filepath.Join(folder, "vectors.json")); missing == nil {
			return folder
		}
	}
	panic("AUTHNZERVER_CLIENTS has to name the folder `clients`")
}

func setting(name, otherwise string) string {
	if set := os.Getenv(name); set != "" {
		return set
	}
	return filepath.Join(Clients(), "..", "target", otherwise)
}

// Start starts a real server, with settings of its script such as "CERTIFICATE=/a/file".
func Start(settings ...string) (*Real, error) {
	python, program := setting("MAIL_PYTHON", "python/bin/python"), setting("AUTHNZERVER", "debug/authnzerver")
	server := &Real{process: exec.Command(python, "-B", filepath.Join(Clients(), "tests", "server.py"), program)}
	server.process.Env = append(os.Environ(), settings...)
	server.process.Stderr = os.Stderr
	words, err := server.process.StdinPipe()
	if err != nil {
		return nil, err
	}
	lines, err := server.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	server.words, server.lines = words, bufio.NewReader(lines)
	if err := server.process.Start(); err != nil {
		return nil, err
	}
	about, err := server.lines.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("there is no server to test against: %w", err)
	}
	return server, json.Unmarshal(about, server)
}

// Tell has it stop, start, or take other keys.
func (server *Real) Tell(words string) {
	if _, err := io.WriteString(server.words, words+"\n"); err != nil {
		panic(err)
	}
	if line, err := server.lines.ReadString('\n'); err != nil || !strings.Contains(line, "true") {
		panic(fmt.Sprintf("the server says %q to %q", line, words))
	}
}

// Close ends it.
func (server *Real) Close() {
	server.words.Close()
	if err := server.process.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "the server of the tests:", err)
	}
}

var code = regexp.MustCompile(`(?m)[?&]code=([A-Za-z0-9_-]+)|^([A-Z0-9]{4}-[A-Z0-9]{4})\s*$`)

// Code is the newest code that was emailed to an address; it waits until there is one, and forgets it.
func (server *Real) Code(address string) string {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(server.Emails, "*.eml"))
		sort.Sort(sort.Reverse(sort.StringSlice(files)))
		for _, file := range files {
			if found := codeIn(file, address); found != "" {
				os.Remove(file)
				return found
			}
		}
	}
	panic("no email came to " + address)
}

func codeIn(file, address string) string {
	opened, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer opened.Close()
	message, err := mail.ReadMessage(opened)
	if err != nil || !strings.Contains(message.Header.Get("To"), address) {
		return ""
	}
	body := io.Reader(message.Body)
	if strings.EqualFold(message.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, _ := io.ReadAll(body)
	if found := code.FindStringSubmatch(string(text)); found != nil {
		return found[1] + found[2]
	}
	return ""
}
