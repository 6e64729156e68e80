package authnzerver

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// example builds an example of the README that is a whole program, and gives the command that runs it.
func example(t *testing.T, ctx context.Context, place int, replaced ...string) *exec.Cmd {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	program := programs[place][1]
	if !strings.HasPrefix(program, "package main") {
		// A part of a function.
		program = "package main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\n\t\"authnzerver.example/authnzerver\"\n)\n\n" +
			"func page(ctx context.Context, site *authnzerver.Caller, token string) error {\n" + program +
			"\tfmt.Println(info, own)\n\treturn err\n}\n\nfunc main() {}\n"
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	files := map[string]string{
		"key":     real.Key,
		"main.go": strings.NewReplacer(append(replaced, "run/.authnzerver-secret-key", "key", "http://127.0.0.1:13431", real.URL)...).Replace(program),
		"go.mod": "module user.example/user\n\ngo 1.19\n\nrequire authnzerver.example/authnzerver v0.0.0\n\n" +
			"replace authnzerver.example/authnzerver => " + here + "\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", "program", ".")
	build.Dir = folder
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	run := exec.CommandContext(ctx, filepath.Join(folder, "program"))
	run.Dir = folder
	return run
}

func TestReadmeLogsIn(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	refused, err := example(t, ctx, 0).CombinedOutput()
	if err != nil || !strings.Contains(string(refused), "[") {
		t.Errorf("%v: %s", err, refused)
	}
	named := []string{"alice@example.org", real.Admin.Email, "correct horse battery staple", real.Admin.Password}
	said, err := example(t, ctx, 0, named...).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(said), real.Admin.Email) {
		t.Errorf("%v: %s", err, said)
	}
}

func TestReadmeAsksTogether(t *testing.T) {
	if said, err := example(t, context.Background(), 1).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

func TestReadmeIsASite(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	site := example(t, ctx, 2, "127.0.0.1:8080", address)
	if err := site.Start(); err != nil {
		t.Fatal(err)
	}
	defer site.Wait()
	defer cancel()
	for path, part := range map[string]string{"/": "Hello 0", "/login": "<h1>Log in</h1>", "/staff": "<h1>Log in</h1>"} {
		if text := page(ctx, "http://"+address+path); !strings.Contains(text, part) {
			t.Errorf("%s: %s", path, text)
		}
	}
}

// page asks until somebody listens.
func page(ctx context.Context, url string) string {
	for ctx.Err() == nil {
		response, err := http.Get(url)
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return string(text)
	}
	return "nobody listens"
}
