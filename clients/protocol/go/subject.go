// Package subject is the subject protocol for Go: lines in, lines out.
// A client implements Client; see docs/reference/subject-protocol.md. The
// package knows nothing of any client.
package subject

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Client is the client under test. An error that a method returns is told to
// ackproof in the words of Describe.
type Client interface {
	Start(Request) (Ready, error) // the error may be a *Refused
	Send(Record)                  // its outcome is told by Acknowledged, Failed or Unknown
	Flush() error
	Poll(max int, wait time.Duration) ([]Record, error)
	Commit([]Position) error
	Seek(Position) error
	InitTransactions() error
	BeginTransaction() error
	SendOffsets([]Position) error
	CommitTransaction() error
	AbortTransaction() error
	Close() error
	Describe(error) Error
}

type (
	// Request is one line of ackproof's.
	Request struct {
		Op       string     `json:"op"`
		Check    bool       `json:"check"`
		Producer *Config    `json:"producer"`
		Consumer *Config    `json:"consumer"`
		Max      int        `json:"max"`
		WaitMs   int64      `json:"wait_ms"`
		Offsets  []Position `json:"offsets"`
		Record
	}
	// Config is what a producer or a consumer is made of.
	Config struct {
		Config map[string]string `json:"config"`
		Topics []string          `json:"topics"`
	}
	// Record is one to send, which has an ID, or one that was received, which has an Offset.
	Record struct {
		ID        *uint64  `json:"id,omitempty"`
		Topic     string   `json:"topic"`
		Partition *int32   `json:"partition"`
		Offset    int64    `json:"offset"`
		Key       []byte   `json:"key"` // null where there is none: empty is something else
		Value     []byte   `json:"value"`
		Headers   []Header `json:"headers,omitempty"`
	}
	Header struct {
		Key   string `json:"key"`
		Value []byte `json:"value"`
	}
	Partition struct {
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
	}
	// Position is the next offset to read.
	Position struct {
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Offset    int64  `json:"offset"`
	}
	// Ready is what the client is, and its configuration in force.
	Ready struct {
		Client  string
		Version string
		Config  map[string]string
		Set     []string
		Cannot  map[string]string // what the client cannot do, and why
	}
	// Error is the client's own words, and what follows from it.
	Error struct {
		Name    string `json:"name"`
		Message string `json:"message"`
		Class   string `json:"class"`
		Cause   string `json:"-"`
	}
	// Refused is a configuration that is not possible.
	Refused struct{ Key, Reason string }
)

func (r *Refused) Error() string { return r.Reason }

type event map[string]any

var (
	requests = make(chan *Request, 1<<16) // so many that the end of the input is always seen
	events   = make(chan event, 1024)
	written  = make(chan struct{})
	open     sync.WaitGroup // records without an outcome
)

// Acknowledged tells that the client told success; offset is negative where none is known.
func Acknowledged(id *uint64, partition int32, offset int64) {
	told := event{"event": "acknowledged", "id": id, "partition": partition}
	if offset >= 0 {
		told["offset"] = offset
	}
	events <- told
	open.Done()
}

// Failed tells that the record is certainly not written.
func Failed(id *uint64, err Error) { outcome("failed", id, err) }

// Unknown tells that the record may be written.
func Unknown(id *uint64, err Error) { outcome("unknown", id, err) }

func outcome(kind string, id *uint64, err Error) {
	events <- event{"event": kind, "id": id, "error": err}
	open.Done()
}

func Assigned(partitions []Partition) { partitionsAre("assigned", partitions) }
func Lost(partitions []Partition)     { partitionsAre("lost", partitions) }

// Revoked serves what ackproof wants to do with the partitions before they are gone.
func Revoked(client Client, partitions []Partition) {
	if len(partitions) > 0 {
		partitionsAre("revoked", partitions)
		serve(client, "continue")
	}
}

func partitionsAre(kind string, partitions []Partition) {
	if len(partitions) > 0 {
		events <- event{"event": kind, "partitions": partitions}
	}
}

// Committed tells what the client committed by itself; err is nil where that is so.
func Committed(offsets []Position, err *Error) {
	told := event{"event": "committed", "offsets": offsets}
	if err != nil {
		told["error"] = err
	}
	events <- told
}

// Problem tells an error that answers no request.
func Problem(err Error) {
	told := event{"event": "error", "error": err}
	if err.Cause != "" {
		told["cause"] = err.Cause
	}
	events <- told
}

// Run speaks the protocol for the client, to the end of the process.
func Run(client Client) {
	// ackproof ends a subject by `close`, or kills it: Ctrl-C in the terminal is not for it.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
	go read()
	go write()
	ready, err := client.Start(*<-requests)
	var refused *Refused
	if errors.As(err, &refused) {
		told := event{"event": "refused", "reason": refused.Reason}
		if refused.Key != "" {
			told["key"] = refused.Key
		}
		events <- told
		end(2)
	} else if err != nil {
		fmt.Fprintln(os.Stderr, err)
		end(1)
	}
	events <- event{"event": "ready", "protocol": 1, "client": ready.Client,
		"version": ready.Version, "config": ready.Config, "set": ready.Set, "cannot": ready.Cannot}
	serve(client, "close")
	done("close", client, client.Close())
	end(0)
}

func end(code int) {
	close(events)
	<-written
	os.Exit(code)
}

// serve serves requests until one of this name, which it only takes.
func serve(client Client, until string) {
	for request := range requests {
		if request.Op == until {
			return
		}
		handle(client, *request)
	}
}

func handle(client Client, request Request) {
	var err error
	switch request.Op {
	case "send":
		open.Add(1)
		client.Send(request.Record)
		return
	case "poll":
		poll(client, request)
		return
	case "flush":
		if err = client.Flush(); err == nil {
			open.Wait() // a callback may still run in another goroutine
		}
	case "commit":
		err = client.Commit(request.Offsets)
	case "seek":
		err = client.Seek(Position{request.Topic, *request.Partition, request.Offset})
	case "init-transactions":
		err = client.InitTransactions()
	case "begin-transaction":
		err = client.BeginTransaction()
	case "send-offsets":
		err = client.SendOffsets(request.Offsets)
	case "commit-transaction":
		if err = client.CommitTransaction(); err == nil {
			open.Wait()
		}
	case "abort-transaction":
		err = client.AbortTransaction()
	default:
		err = fmt.Errorf("this subject has no `%s`", request.Op)
	}
	done(request.Op, client, err)
}

func done(op string, client Client, err error) {
	told := event{"event": "done", "op": op}
	if err != nil {
		told["error"] = client.Describe(err)
	}
	events <- told
}

func poll(client Client, request Request) {
	records, err := client.Poll(request.Max, time.Duration(request.WaitMs)*time.Millisecond)
	if records == nil {
		records = []Record{}
	}
	told := event{"event": "polled", "records": records}
	if err != nil {
		described := client.Describe(err)
		if described.Class == "fatal" || described.Class == "fenced" {
			told["error"] = described
		} else {
			Problem(described)
		}
	}
	events <- told
}

func read() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	closing := false
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var request Request
		if err := json.Unmarshal(line, &request); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		closing = closing || request.Op == "close"
		requests <- &request
	}
	if !closing {
		os.Exit(1) // ackproof is gone
	}
	requests <- &Request{Op: "continue"} // nothing else can come
}

func write() {
	defer close(written)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	lines := json.NewEncoder(out)
	for told := range events {
		if err := lines.Encode(told); err != nil {
			os.Exit(1)
		}
		if len(events) == 0 { // a flush for each event would be the limit
			out.Flush()
		}
	}
	out.Flush()
}

// Callbacks brings the callbacks that a client runs in goroutines of its own into a
// poll or a close, where the protocol wants them.
type Callbacks chan func()

// Run runs a callback inside of the next During, and waits until it is over.
func (c Callbacks) Run(callback func()) {
	over := make(chan struct{})
	c <- func() { callback(); close(over) }
	<-over
}

// During runs work in a goroutine, and callbacks here until it is over.
func (c Callbacks) During(work func()) {
	over := make(chan struct{})
	go func() { work(); close(over) }()
	for {
		select {
		case callback := <-c:
			callback()
		case <-over:
			return
		}
	}
}

// Version is the version of a module that is built in.
func Version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, it := range info.Deps {
			if it.Path == module {
				return strings.TrimPrefix(it.Version, "v")
			}
		}
	}
	return "unknown"
}

// Nearest is the name that shares most with the words of the key, where that is enough.
func Nearest(key string, names []string) string {
	best, most := "", 5
	for _, name := range names {
		shared := 0
		for _, word := range strings.Split(strings.ToLower(key), ".") {
			stem := word[:min(len(word), 8)] // a misspelt end does not matter
			if strings.Contains(strings.ToLower(name), stem) {
				shared += len(stem)
			}
		}
		if shared > most {
			best, most = name, shared
		}
	}
	if best == "" {
		return ""
	}
	return "; the nearest is `" + best + "`"
}

// AwaitOutcomes waits until each record has its outcome.
func AwaitOutcomes() { open.Wait() }
