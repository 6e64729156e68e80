// Package testserver has the servers that the tests talk to: one that says what it is told to, and a real one.
package testserver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Reply is what stands in vectors.json about what comes over HTTP.
type Reply struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	// How many bytes of the body come before the connection is closed.
	Cut *int `json:"cut"`
	// What the head says of the body's length, if it is not the truth.
	Claimed *int `json:"claimed"`
	// A letter, and how often it comes instead of the body.
	Repeat []json.RawMessage `json:"repeat"`
	// The bytes that come instead of all that.
	Raw string `json:"-"`
	// Where it is, the answer waits until this is closed.
	Held chan struct{} `json:"-"`
}

// Scripted answers over HTTP as it is told to, the last reply again and again; it counts what it was asked.
type Scripted struct {
	URL string

	listener net.Listener
	lock     sync.Mutex
	replies  []Reply
	asked    []string
}

// Script starts a Scripted.
func Script(replies ...Reply) *Scripted {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := &Scripted{URL: "http://" + listener.Addr().String(), listener: listener, replies: replies}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go server.talk(connection)
		}
	}()
	return server
}

// Close lets nobody in any more.
func (server *Scripted) Close() { server.listener.Close() }

// Asked are the bodies that came.
func (server *Scripted) Asked() []string {
	server.lock.Lock()
	defer server.lock.Unlock()
	return append([]string{}, server.asked...)
}

func (server *Scripted) talk(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(request.Body)
		server.lock.Lock()
		place := len(server.asked)
		if place >= len(server.replies) {
			place = len(server.replies) - 1
		}
		reply := server.replies[place]
		server.asked = append(server.asked, string(body))
		server.lock.Unlock()
		if reply.Held != nil {
			<-reply.Held
		}
		if _, err := io.WriteString(connection, reply.written()); err != nil || reply.Cut != nil {
			return
		}
	}
}

func (reply Reply) written() string {
	if reply.Raw != "" {
		return reply.Raw
	}
	body := reply.Body
	if reply.Repeat != nil {
		var letter string
		var times int
		if json.Unmarshal(reply.Repeat[0], &letter) != nil || json.Unmarshal(reply.Repeat[1], &times) != nil {
			panic("the vectors repeat a letter so many times")
		}
		body = strings.Repeat(letter, times)
	}
	length := len(body)
	if reply.Claimed != nil {
		length = *reply.Claimed
	}
	if reply.Cut != nil {
		body = body[:*reply.Cut]
	}
	head := fmt.Sprintf("HTTP/1.1 %d Words\r\nContent-Length: %d\r\n", reply.Status, length)
	for name, value := range reply.Headers {
		head += name + ": " + value + "\r\n"
	}
	return head + "\r\n" + body
}
