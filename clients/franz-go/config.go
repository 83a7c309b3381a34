package main

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"subject"
)

// option is an option of franz-go's, and Java's name of it where there is an equal.
type option struct {
	own, java string
	producer  bool // and not of a consumer
	make      func(value string) (kgo.Opt, error)
}

func milliseconds[O kgo.Opt](make func(time.Duration) O) func(string) (kgo.Opt, error) {
	return func(value string) (kgo.Opt, error) {
		number, err := strconv.ParseInt(value, 10, 64)
		return make(time.Duration(number) * time.Millisecond), err
	}
}

func number[N int | int32, O kgo.Opt](make func(N) O) func(string) (kgo.Opt, error) {
	return func(value string) (kgo.Opt, error) {
		number, err := strconv.ParseInt(value, 10, 32)
		return make(N(number)), err
	}
}

func text[O kgo.Opt](make func(string) O) func(string) (kgo.Opt, error) {
	return func(value string) (kgo.Opt, error) { return make(value), nil }
}

// one is one of these words; a word whose option is nil is franz-go's default.
func one(words map[string]kgo.Opt) func(string) (kgo.Opt, error) {
	return func(value string) (kgo.Opt, error) {
		option, known := words[value]
		if !known {
			return nil, fmt.Errorf("franz-go has no %s here", value)
		}
		return option, nil
	}
}

var options = []option{
	{"RequiredAcks", "acks", true, one(map[string]kgo.Opt{
		"all": kgo.RequiredAcks(kgo.AllISRAcks()), "-1": kgo.RequiredAcks(kgo.AllISRAcks()),
		"1": kgo.RequiredAcks(kgo.LeaderAck()), "0": kgo.RequiredAcks(kgo.NoAck())})},
	{"DisableIdempotentWrite", "enable.idempotence", true, one(map[string]kgo.Opt{
		"true": nil, "false": kgo.DisableIdempotentWrite()})},
	{"MaxProduceRequestsInflightPerBroker", "max.in.flight.requests.per.connection", true, number(kgo.MaxProduceRequestsInflightPerBroker)},
	{"RecordRetries", "retries", true, number(kgo.RecordRetries)},
	{"RecordDeliveryTimeout", "delivery.timeout.ms", true, milliseconds(kgo.RecordDeliveryTimeout)},
	{"ProducerLinger", "linger.ms", true, milliseconds(kgo.ProducerLinger)},
	{"ProducerBatchMaxBytes", "max.request.size", true, number(kgo.ProducerBatchMaxBytes)},
	{"MaxBufferedBytes", "buffer.memory", true, number(kgo.MaxBufferedBytes)},
	{"MaxBufferedRecords", "", true, number(kgo.MaxBufferedRecords)},
	{"UnknownTopicRetries", "", true, number(kgo.UnknownTopicRetries)},
	{"ProduceRequestTimeout", "", true, milliseconds(kgo.ProduceRequestTimeout)},
	{"ProducerBatchCompression", "compression.type", true, one(map[string]kgo.Opt{
		"none": kgo.ProducerBatchCompression(kgo.NoCompression()), "gzip": kgo.ProducerBatchCompression(kgo.GzipCompression()),
		"snappy": kgo.ProducerBatchCompression(kgo.SnappyCompression()), "lz4": kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		"zstd": kgo.ProducerBatchCompression(kgo.ZstdCompression())})},
	{"TransactionalID", "transactional.id", true, text(kgo.TransactionalID)},
	{"TransactionTimeout", "transaction.timeout.ms", true, milliseconds(kgo.TransactionTimeout)},
	{"ConsumerGroup", "group.id", false, text(kgo.ConsumerGroup)},
	{"InstanceID", "group.instance.id", false, text(kgo.InstanceID)},
	{"Rack", "client.rack", false, text(kgo.Rack)},
	{"SessionTimeout", "session.timeout.ms", false, milliseconds(kgo.SessionTimeout)},
	{"HeartbeatInterval", "heartbeat.interval.ms", false, milliseconds(kgo.HeartbeatInterval)},
	{"RebalanceTimeout", "", false, milliseconds(kgo.RebalanceTimeout)},
	{"ServerSideBalancer", "group.protocol", false, one(map[string]kgo.Opt{
		"classic": nil, "consumer": kgo.ServerSideBalancer()})},
	{"Balancers", "partition.assignment.strategy", false, balancers},
	{"DisableAutoCommit", "enable.auto.commit", false, one(map[string]kgo.Opt{
		"true": nil, "false": kgo.DisableAutoCommit()})},
	{"AutoCommitInterval", "auto.commit.interval.ms", false, milliseconds(kgo.AutoCommitInterval)},
	{"ConsumeResetOffset", "auto.offset.reset", false, one(map[string]kgo.Opt{
		"earliest": kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), "none": kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		"latest": kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd())})},
	{"FetchIsolationLevel", "isolation.level", false, one(map[string]kgo.Opt{
		"read_uncommitted": kgo.FetchIsolationLevel(kgo.ReadUncommitted()), "read_committed": kgo.FetchIsolationLevel(kgo.ReadCommitted())})},
	{"DisableFetchCRCValidation", "check.crcs", false, one(map[string]kgo.Opt{
		"true": nil, "false": kgo.DisableFetchCRCValidation()})},
	{"FetchMinBytes", "fetch.min.bytes", false, number(kgo.FetchMinBytes)},
	{"FetchMaxBytes", "fetch.max.bytes", false, number(kgo.FetchMaxBytes)},
	{"FetchMaxPartitionBytes", "max.partition.fetch.bytes", false, number(kgo.FetchMaxPartitionBytes)},
	{"FetchMaxWait", "fetch.max.wait.ms", false, milliseconds(kgo.FetchMaxWait)},
}

// both are options of a producer and a consumer.
var both = []option{
	{"ClientID", "client.id", false, text(kgo.ClientID)},
	{"MetadataMaxAge", "metadata.max.age.ms", false, milliseconds(kgo.MetadataMaxAge)},
	{"ConnIdleTimeout", "connections.max.idle.ms", false, milliseconds(kgo.ConnIdleTimeout)},
	{"RequestRetries", "", false, number(kgo.RequestRetries)},
	{"RequestTimeoutOverhead", "", false, milliseconds(kgo.RequestTimeoutOverhead)},
	{"RetryTimeout", "", false, milliseconds(kgo.RetryTimeout)},
}

// nearest is what comes near to names of Java's that franz-go has no equal for.
var nearest = map[string]string{
	"request.timeout.ms":   "ProduceRequestTimeout`, to which franz-go adds `RequestTimeoutOverhead",
	"batch.size":           "ProducerBatchMaxBytes",
	"retry.backoff.ms":     "RetryBackoffFn`, which takes a function: `RetryTimeout",
	"max.block.ms":         "MaxBufferedRecords",
	"max.poll.interval.ms": "RebalanceTimeout",
}

func balancers(value string) (kgo.Opt, error) {
	known := map[string]func() kgo.GroupBalancer{
		"RangeAssignor": kgo.RangeBalancer, "RoundRobinAssignor": kgo.RoundRobinBalancer,
		"StickyAssignor": kgo.StickyBalancer, "CooperativeStickyAssignor": kgo.CooperativeStickyBalancer,
	}
	chosen := []kgo.GroupBalancer{}
	for _, name := range strings.Split(value, ",") {
		make := known[name[strings.LastIndex(name, ".")+1:]]
		if make == nil {
			return nil, fmt.Errorf("franz-go has no %s", name)
		}
		chosen = append(chosen, make())
	}
	return kgo.Balancers(chosen...), nil
}

// configure makes franz-go's options; the error is a *subject.Refused.
func configure(given map[string]string, ready *subject.Ready, prefix string) (made []kgo.Opt, err error) {
	names, all := []string{}, append(both, options...)
	for _, it := range all {
		names = append(names, it.own)
	}
next:
	for key, value := range given {
		if key == "bootstrap.servers" {
			made = append(made, kgo.SeedBrokers(strings.Split(value, ",")...))
			continue
		}
		for _, it := range all {
			if key != it.java && key != it.own {
				continue
			}
			option, err := it.make(value)
			if err != nil {
				return nil, &subject.Refused{Key: key, Reason: err.Error()}
			}
			if option != nil {
				made = append(made, option)
			}
			ready.Set = append(ready.Set, prefix+it.own)
			continue next
		}
		near := subject.Nearest(key, names)
		if name := nearest[key]; name != "" {
			near = "; the nearest is `" + name + "`"
		}
		return nil, &subject.Refused{Key: key, Reason: "franz-go has no " + key + near}
	}
	sort.Strings(ready.Set)
	return made, nil
}

// words are values that a client tells as objects.
var words = map[any]string{
	kgo.AllISRAcks(): "all", kgo.LeaderAck(): "1", kgo.NoAck(): "0",
	kgo.NoCompression(): "none", kgo.GzipCompression(): "gzip", kgo.SnappyCompression(): "snappy",
	kgo.Lz4Compression(): "lz4", kgo.ZstdCompression(): "zstd",
}

// inForce asks the client for the value of each option.
func inForce(client *kgo.Client, ready subject.Ready, prefix string, producer bool) {
	config, set := ready.Config, ready.Set
	for i, it := range append(both, options...) {
		if i >= len(both) && it.producer != producer {
			continue
		}
		told := []string{}
		switch value := client.OptValue(it.own).(type) {
		case []kgo.GroupBalancer:
			for _, balancer := range value {
				told = append(told, balancer.ProtocolName())
			}
		case []kgo.CompressionCodec:
			for _, codec := range value {
				told = append(told, words[codec])
			}
		case kgo.Acks:
			told = append(told, words[value])
		default:
			told = append(told, fmt.Sprint(value))
		}
		config[prefix+it.own] = strings.Join(told, ",")
	}
	if config[prefix+"DisableIdempotentWrite"] == "false" && !slices.Contains(set, prefix+"MaxProduceRequestsInflightPerBroker") {
		// Then the option is without effect: five, as the brokers allow.
		delete(config, prefix+"MaxProduceRequestsInflightPerBroker")
	}
}
