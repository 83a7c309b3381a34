// Command sarama is IBM's Sarama as a subject of ackproof.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"subject"
)

type client struct {
	config   *sarama.Config
	client   sarama.Client // of the consumer
	producer sarama.AsyncProducer
	group    sarama.ConsumerGroup
	groupID  string

	callbacks subject.Callbacks
	session   sarama.ConsumerGroupSession // touched in callbacks and between polls only
	records   chan *sarama.ConsumerMessage
	handed    []*sarama.ConsumerMessage // by the last poll
	leave     context.CancelFunc
}

func main() {
	subject.Run(&client{callbacks: make(subject.Callbacks), records: make(chan *sarama.ConsumerMessage)})
}

func (c *client) Start(start subject.Request) (subject.Ready, error) {
	ready := subject.Ready{Client: "sarama", Config: map[string]string{}, Set: []string{}}
	ready.Version = subject.Version("github.com/IBM/sarama")
	ready.Cannot = map[string]string{"seek": noSeek.Error()}
	prefix := ""
	for _, it := range []struct {
		config *subject.Config
		make   func([]string, *sarama.Config, *subject.Config) error
	}{{start.Consumer, c.startConsumer}, {start.Producer, c.startProducer}} {
		if it.config == nil {
			continue
		}
		config, addresses, set, err := configure(it.config.Config)
		if err != nil {
			return ready, err
		}
		if it.config == start.Producer && start.Consumer != nil {
			prefix = "producer."
		}
		values := inForce(config, it.config == start.Producer)
		for name, value := range values {
			ready.Config[prefix+name] = value
		}
		for _, name := range set {
			if _, ok := values[name]; ok { // it may be a secret
				ready.Set = append(ready.Set, prefix+name)
			}
		}
		if start.Check {
			continue
		}
		if err := it.make(addresses, config, it.config); err != nil {
			return ready, err
		}
	}
	return ready, nil
}

// Producing

func (c *client) startProducer(addresses []string, config *sarama.Config, _ *subject.Config) (err error) {
	if c.producer, err = sarama.NewAsyncProducer(addresses, config); err != nil {
		return err
	}
	go func() {
		for sent := range c.producer.Successes() {
			offset := sent.Offset
			if config.Producer.RequiredAcks == sarama.NoResponse {
				offset = -1
			}
			subject.Acknowledged(sent.Metadata.(metadata).id, sent.Partition, offset)
		}
	}()
	go func() {
		for it := range c.producer.Errors() {
			id := it.Msg.Metadata.(metadata).id
			// Of these the partitioner and the input's checks say that no request was made.
			if errors.Is(it.Err, sarama.ErrInvalidPartition) || errors.As(it.Err, new(sarama.ConfigurationError)) {
				subject.Failed(id, c.Describe(it.Err))
			} else {
				subject.Unknown(id, c.Describe(it.Err))
			}
		}
	}()
	return nil
}

// metadata is what the subject keeps with a message until its outcome.
type metadata struct {
	id     *uint64
	chosen bool // ackproof gave the partition
}

func (c *client) Send(record subject.Record) {
	message := &sarama.ProducerMessage{Topic: record.Topic, Metadata: metadata{record.ID, record.Partition != nil}}
	if record.Partition != nil {
		message.Partition = *record.Partition
	}
	if record.Key != nil {
		message.Key = sarama.ByteEncoder(record.Key)
	}
	if record.Value != nil {
		message.Value = sarama.ByteEncoder(record.Value)
	}
	for _, it := range record.Headers {
		message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(it.Key), Value: it.Value})
	}
	c.producer.Input() <- message
}

// Flush does nothing: Sarama sends at once, and what runs the protocol waits for the outcomes.
func (c *client) Flush() error { return nil }

// partitioner is Sarama's own, where ackproof chose no partition.
type partitioner struct {
	sarama.DynamicConsistencyPartitioner
}

func newPartitioner(topic string) sarama.Partitioner {
	return partitioner{sarama.NewHashPartitioner(topic).(sarama.DynamicConsistencyPartitioner)}
}

func (p partitioner) Partition(message *sarama.ProducerMessage, partitions int32) (int32, error) {
	if message.Metadata.(metadata).chosen {
		return message.Partition, nil
	}
	return p.DynamicConsistencyPartitioner.Partition(message, partitions)
}

func (p partitioner) MessageRequiresConsistency(message *sarama.ProducerMessage) bool {
	return message.Metadata.(metadata).chosen || p.DynamicConsistencyPartitioner.MessageRequiresConsistency(message)
}

// Consuming

func (c *client) startConsumer(addresses []string, config *sarama.Config, start *subject.Config) (err error) {
	c.config, c.groupID = config, start.Config["group.id"]
	if c.client, err = sarama.NewClient(addresses, config); err != nil {
		return err
	}
	if c.group, err = sarama.NewConsumerGroupFromClient(c.groupID, c.client); err != nil {
		return err
	}
	go func() {
		for err := range c.group.Errors() {
			subject.Problem(c.Describe(err))
		}
	}()
	ctx, leave := context.WithCancel(context.Background())
	c.leave = leave
	go func() {
		for ctx.Err() == nil { // each call is a membership until the next eager rebalance
			if err := c.group.Consume(ctx, start.Topics, c); err != nil && ctx.Err() == nil {
				subject.Problem(c.Describe(err))
			}
		}
	}()
	return nil
}

func (c *client) Setup(session sarama.ConsumerGroupSession) error {
	c.callbacks.Run(func() { c.session = session })
	return nil
}

func (c *client) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim runs for each partition as long as the member has it. Sarama does not tell
// whether it is about to be taken or already is: a commit will.
func (c *client) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	partition := []subject.Partition{{Topic: claim.Topic(), Partition: claim.Partition()}}
	c.callbacks.Run(func() { subject.Assigned(partition) })
	defer c.callbacks.Run(func() { subject.Revoked(c, partition) })
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			select {
			case c.records <- message: // received in a poll
			case <-session.Context().Done():
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (c *client) Poll(most int, wait time.Duration) (records []subject.Record, err error) {
	for _, it := range c.handed { // auto commit takes what is marked: what was handed out before
		if c.config.Consumer.Offsets.AutoCommit.Enable {
			c.session.MarkMessage(it, "")
		}
	}
	c.handed = nil
	timeout := time.After(wait)
	for len(records) == 0 { // the first is waited for
		select {
		case callback := <-c.callbacks:
			callback()
		case message := <-c.records:
			records = c.hand(records, message)
		case <-timeout:
			return records, nil
		}
	}
	// The others are taken while there are any: a moment is enough for the goroutines of the
	// claims, which hand over one at a time.
	for idle := time.After(time.Millisecond); len(records) < most; {
		select {
		case message := <-c.records:
			records = c.hand(records, message)
		case <-idle:
			return records, nil
		}
	}
	return records, nil
}

func (c *client) hand(records []subject.Record, message *sarama.ConsumerMessage) []subject.Record {
	c.handed = append(c.handed, message)
	return append(records, received(message))
}

func received(message *sarama.ConsumerMessage) subject.Record {
	record := subject.Record{Topic: message.Topic, Partition: &message.Partition, Offset: message.Offset,
		Key: message.Key, Value: message.Value}
	for _, it := range message.Headers {
		record.Headers = append(record.Headers, subject.Header{Key: string(it.Key), Value: it.Value})
	}
	return record
}

// Commit asks the coordinator itself: the Commit of a session does not return its error.
func (c *client) Commit(positions []subject.Position) error {
	if c.session == nil {
		return errors.New("not a member of the group yet")
	}
	coordinator, err := c.client.Coordinator(c.groupID)
	if err != nil {
		return err
	}
	request := sarama.NewOffsetCommitRequest(c.config, c.groupID)
	request.ConsumerID = c.session.MemberID()
	request.ConsumerGroupGeneration = c.session.GenerationID()
	if id := c.config.Consumer.Group.InstanceId; id != "" {
		request.GroupInstanceId = &id
	}
	for _, it := range positions {
		request.AddBlockWithLeaderEpoch(it.Topic, it.Partition, it.Offset, -1, 0, "")
	}
	response, err := coordinator.CommitOffset(request)
	if err != nil {
		_ = coordinator.Close() // the next one connects again
		_ = c.client.RefreshCoordinator(c.groupID)
		return err
	}
	for _, partitions := range response.Errors {
		for _, err := range partitions {
			if err != sarama.ErrNoError {
				return err
			}
		}
	}
	return nil
}

var noSeek = errors.New("a consumer group of Sarama has no seek")

func (c *client) Seek(subject.Position) error { return noSeek }

// Transactions

// InitTransactions does nothing: Sarama does it when the producer is made.
func (c *client) InitTransactions() error  { return nil }
func (c *client) BeginTransaction() error  { return c.producer.BeginTxn() }
func (c *client) CommitTransaction() error { return c.producer.CommitTxn() }
func (c *client) AbortTransaction() error  { return c.producer.AbortTxn() }

func (c *client) SendOffsets(positions []subject.Position) error {
	if c.session == nil {
		return errors.New("not a member of the group yet")
	}
	offsets := map[string][]*sarama.PartitionOffsetMetadata{}
	for _, it := range positions {
		offset := &sarama.PartitionOffsetMetadata{Partition: it.Partition, Offset: it.Offset, LeaderEpoch: -1}
		offsets[it.Topic] = append(offsets[it.Topic], offset)
	}
	group := sarama.NewConsumerGroupMetadata(c.groupID)
	group.MemberID, group.GenerationID = c.session.MemberID(), c.session.GenerationID()
	return c.producer.AddOffsetsToTxnWithGroupMetadata(offsets, group)
}

func (c *client) Close() (err error) {
	if c.producer != nil {
		c.producer.AsyncClose()
		subject.AwaitOutcomes()
	}
	if c.group != nil {
		c.leave()
		c.callbacks.During(func() { err = c.group.Close() })
	}
	return err
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
	var code sarama.KError
	if errors.As(err, &code) {
		name = fmt.Sprintf("KError %d", int16(code))
	}
	switch {
	case is(sarama.ErrInvalidProducerEpoch, sarama.ErrProducerFenced, sarama.ErrFencedInstancedId):
		class = "fenced"
	case is(sarama.ErrUnknownMemberId, sarama.ErrIllegalGeneration):
		class = "stale"
	case is(sarama.ErrRebalanceInProgress, sarama.ErrGroupAuthorizationFailed):
		class = "refused"
	case c.producer != nil && c.producer.TxnStatus()&sarama.ProducerTxnFlagAbortableError != 0:
		class = "abortable"
	case is(sarama.ErrRequestTimedOut, sarama.ErrNotCoordinatorForConsumer, sarama.ErrOffsetsLoadInProgress,
		sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrConcurrentTransactions):
		class = "retriable"
	}
	if is(sarama.ErrTopicAuthorizationFailed, sarama.ErrGroupAuthorizationFailed, sarama.ErrClusterAuthorizationFailed) {
		cause = "not-allowed"
	}
	return subject.Error{Name: name, Message: err.Error(), Class: class, Cause: cause}
}
