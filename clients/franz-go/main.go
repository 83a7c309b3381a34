// Command franz-go is franz-go as a subject of ackproof.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"subject"
)

type client struct {
	producer  *kgo.Client
	consumer  *kgo.Client // the same one where offsets belong to transactions
	session   *kgo.GroupTransactSession
	agreed    bool // the offsets of this transaction are what the session will commit
	callbacks subject.Callbacks
}

var background = context.Background()

func main() {
	subject.Run(&client{callbacks: make(subject.Callbacks)})
}

func (c *client) Start(start subject.Request) (subject.Ready, error) {
	ready := subject.Ready{Client: "franz-go", Config: map[string]string{}, Set: []string{}}
	ready.Version = subject.Version("github.com/twmb/franz-go")
	ready.Cannot = map[string]string{"some-offsets": "a GroupTransactSession commits all that was polled"}
	transactional := start.Producer != nil && start.Producer.Config["transactional.id"] != ""
	var consumer, producer []kgo.Opt
	var err error
	if start.Consumer != nil {
		if consumer, err = configure(start.Consumer.Config, &ready, ""); err != nil {
			return ready, err
		}
		consumer = append(consumer, c.consuming(start)...)
	}
	if start.Producer != nil {
		prefix := ""
		if start.Consumer != nil {
			prefix = "producer."
		}
		if producer, err = configure(start.Producer.Config, &ready, prefix); err != nil {
			return ready, err
		}
		producer = append(producer, kgo.RecordPartitioner(partitioner{}))
	}
	switch {
	case start.Consumer != nil && transactional:
		// franz-go hands offsets to a transaction only where one client does both.
		if c.session, err = kgo.NewGroupTransactSession(append(consumer, producer...)...); err == nil {
			c.consumer, c.producer = c.session.Client(), c.session.Client()
		}
	default:
		if start.Consumer != nil {
			c.consumer, err = kgo.NewClient(consumer...)
		}
		if start.Producer != nil && err == nil {
			c.producer, err = kgo.NewClient(producer...)
		}
	}
	if err != nil {
		return ready, &subject.Refused{Reason: err.Error()}
	}
	if start.Consumer != nil {
		inForce(c.consumer, ready, "", false)
	}
	if start.Producer != nil {
		prefix := ""
		if start.Consumer != nil {
			prefix = "producer."
		}
		inForce(c.producer, ready, prefix, true)
	}
	return ready, nil
}

// Producing

func (c *client) Send(record subject.Record) {
	sent := &kgo.Record{Topic: record.Topic, Key: record.Key, Value: record.Value, Partition: -1}
	if record.Partition != nil {
		sent.Partition = *record.Partition
	}
	for _, it := range record.Headers {
		sent.Headers = append(sent.Headers, kgo.RecordHeader(it))
	}
	// It waits where its buffer is full.
	c.producer.Produce(background, sent, func(sent *kgo.Record, err error) {
		switch {
		case errors.Is(err, kgo.ErrMaxBuffered):
			subject.Failed(record.ID, c.Describe(err)) // it was never in the buffer
		case err != nil:
			// Of the others some mean that no request was made, and do not say so.
			subject.Unknown(record.ID, c.Describe(err))
		case c.producer.OptValue(kgo.RequiredAcks) == kgo.NoAck():
			subject.Acknowledged(record.ID, sent.Partition, -1) // it has 0, which no broker gave
		default:
			subject.Acknowledged(record.ID, sent.Partition, sent.Offset)
		}
	})
}

func (c *client) Flush() error { return c.producer.Flush(background) }

// partitioner is franz-go's own, where ackproof chose no partition.
type partitioner struct{}

var own = kgo.UniformBytesPartitioner(64<<10, true, true, nil) // franz-go's default

func (partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{own.ForTopic(topic).(kgo.TopicBackupPartitioner)}
}

type topicPartitioner struct{ kgo.TopicBackupPartitioner }

func (p topicPartitioner) RequiresConsistency(record *kgo.Record) bool {
	return record.Partition >= 0 || p.TopicBackupPartitioner.RequiresConsistency(record)
}

func (p topicPartitioner) PartitionByBackup(record *kgo.Record, n int, backup kgo.TopicBackupIter) int {
	if record.Partition >= 0 {
		return int(record.Partition)
	}
	return p.TopicBackupPartitioner.PartitionByBackup(record, n, backup)
}

// Consuming

func (c *client) consuming(start subject.Request) []kgo.Opt {
	if start.Check {
		return nil // without topics it does not join
	}
	callback := func(run func([]subject.Partition)) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, them map[string][]int32) {
			if partitions := partitions(them); len(partitions) > 0 {
				c.callbacks.Run(func() { run(partitions) })
			}
		}
	}
	return []kgo.Opt{
		kgo.ConsumeTopics(start.Consumer.Topics...),
		kgo.OnPartitionsAssigned(callback(subject.Assigned)),
		kgo.OnPartitionsRevoked(callback(func(them []subject.Partition) { subject.Revoked(c, them) })),
		kgo.OnPartitionsLost(callback(subject.Lost)),
		kgo.AutoCommitCallback(c.onAutoCommit),
		// Otherwise a rebalance may end between a poll and the commit after it.
		kgo.BlockRebalanceOnPoll(),
	}
}

func (c *client) Poll(most int, wait time.Duration) (records []subject.Record, err error) {
	c.consumer.AllowRebalance() // what the last poll gave has been dealt with
	ctx, cancel := context.WithTimeout(background, wait)
	defer cancel()
	var fetches kgo.Fetches
	c.callbacks.During(func() { fetches = c.consumer.PollRecords(ctx, most) })
	for _, it := range fetches.Errors() {
		if !errors.Is(it.Err, context.DeadlineExceeded) {
			subject.Problem(c.Describe(it.Err))
		}
	}
	fetches.EachRecord(func(it *kgo.Record) {
		record := subject.Record{Topic: it.Topic, Partition: &it.Partition, Offset: it.Offset, Key: it.Key, Value: it.Value}
		for _, header := range it.Headers {
			record.Headers = append(record.Headers, subject.Header(header))
		}
		records = append(records, record)
	})
	return records, nil
}

func (c *client) onAutoCommit(_ *kgo.Client, request *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
	if err == nil {
		err = refusal(response)
	}
	offsets := []subject.Position{}
	for _, topic := range request.Topics {
		for _, it := range topic.Partitions {
			offsets = append(offsets, subject.Position{Topic: topic.Topic, Partition: it.Partition, Offset: it.Offset})
		}
	}
	if err != nil {
		described := c.Describe(err)
		subject.Committed(offsets, &described)
	} else if len(offsets) > 0 {
		subject.Committed(offsets, nil)
	}
}

// refusal is what the coordinator said of the partitions of a commit.
func refusal(response *kmsg.OffsetCommitResponse) (refused error) {
	for _, topic := range response.Topics {
		for _, partition := range topic.Partitions {
			refused = errors.Join(refused, kerr.ErrorForCode(partition.ErrorCode))
		}
	}
	return refused
}

func (c *client) Commit(positions []subject.Position) (failed error) {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, it := range positions {
		if offsets[it.Topic] == nil {
			offsets[it.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[it.Topic][it.Partition] = kgo.EpochOffset{Epoch: -1, Offset: it.Offset}
	}
	c.consumer.CommitOffsetsSync(background, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err == nil {
			failed = refusal(response)
		}
	})
	return failed
}

func (c *client) Seek(it subject.Position) error {
	offset := kgo.EpochOffset{Epoch: -1, Offset: it.Offset}
	c.consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{it.Topic: {it.Partition: offset}})
	return nil
}

// Transactions

// InitTransactions waits for the producer's id: franz-go would ask for it at the first use.
func (c *client) InitTransactions() error {
	_, _, err := c.producer.ProducerID(background)
	return err
}

func (c *client) BeginTransaction() error {
	if c.session != nil {
		return c.session.Begin()
	}
	return c.producer.BeginTransaction()
}

// SendOffsets can only agree: the session commits what was polled, at the transaction's end.
func (c *client) SendOffsets(positions []subject.Position) error {
	if c.session == nil {
		return errors.New("franz-go commits offsets in transactions of a GroupTransactSession only: start a consumer beside the producer")
	}
	polled := map[subject.Position]bool{}
	for topic, partitions := range c.consumer.UncommittedOffsets() {
		for number, at := range partitions {
			polled[subject.Position{Topic: topic, Partition: number, Offset: at.Offset}] = true
		}
	}
	for _, it := range positions {
		if !polled[it] {
			return fmt.Errorf("a GroupTransactSession commits what was polled since the last transaction: not %s-%d at %d", it.Topic, it.Partition, it.Offset)
		}
	}
	if len(polled) != len(positions) {
		return fmt.Errorf("a GroupTransactSession commits all that was polled: %d partitions, not %d", len(polled), len(positions))
	}
	c.agreed = true
	return nil
}

func (c *client) CommitTransaction() error { return c.endTransaction(kgo.TryCommit) }
func (c *client) AbortTransaction() error  { return c.endTransaction(kgo.TryAbort) }

func (c *client) endTransaction(try kgo.TransactionEndTry) error {
	if c.session != nil {
		// Without this it would commit positions that ackproof did not give.
		agreed := c.agreed || len(c.consumer.UncommittedOffsets()) == 0
		c.agreed = false
		committed, err := c.session.End(background, try && kgo.TransactionEndTry(agreed))
		if err == nil && try == kgo.TryCommit && !committed {
			err = errAborted
		}
		return err
	}
	if err := c.producer.Flush(background); err != nil {
		return err
	}
	return c.producer.EndTransaction(background, try)
}

var errAborted = errors.New("the session aborted the transaction: the group rebalanced, or the offsets were not all that was polled")

func (c *client) Close() error {
	if c.producer != nil {
		if err := c.producer.Flush(background); err != nil {
			return err
		}
	}
	if c.consumer != nil {
		c.callbacks.During(c.consumer.CloseAllowingRebalance)
	}
	if c.producer != nil {
		c.producer.Close()
	}
	return nil
}

func (c *client) Describe(err error) subject.Error {
	is := func(these ...error) bool {
		for _, it := range these {
			if errors.Is(err, it) {
				return true
			}
		}
		return false
	}
	name, class, cause := fmt.Sprintf("%T", err), "other", ""
	if code := new(kerr.Error); errors.As(err, &code) {
		name = code.Message
	}
	switch {
	case is(kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.FencedInstanceID):
		class = "fenced"
	case is(kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch):
		class = "stale"
	case is(kerr.RebalanceInProgress, kerr.GroupAuthorizationFailed):
		class = "refused"
	case is(kerr.TransactionAbortable, errAborted):
		class = "abortable"
	case is(kgo.ErrClientClosed):
		class = "fatal"
	case kerr.IsRetriable(err):
		class = "retriable"
	}
	if is(kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed) {
		cause = "not-allowed"
	}
	return subject.Error{Name: name, Message: err.Error(), Class: class, Cause: cause}
}

func partitions(them map[string][]int32) (partitions []subject.Partition) {
	for topic, numbers := range them {
		for _, number := range numbers {
			partitions = append(partitions, subject.Partition{Topic: topic, Partition: number})
		}
	}
	return partitions
}
