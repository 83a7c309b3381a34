package main

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"subject"
)

// java is what Sarama has an equal for: fields of sarama.Config. Java's times are
// milliseconds; in Sarama's own names they are like 250ms.
var java = map[string]string{
	"acks":                                  "Producer.RequiredAcks",
	"retries":                               "Producer.Retry.Max",
	"enable.idempotence":                    "Producer.Idempotent",
	"max.in.flight.requests.per.connection": "Net.MaxOpenRequests",
	"max.request.size":                      "Producer.MaxMessageBytes",
	"compression.type":                      "Producer.Compression",
	"transactional.id":                      "Producer.Transaction.ID",
	"transaction.timeout.ms":                "Producer.Transaction.Timeout",
	"auto.offset.reset":                     "Consumer.Offsets.Initial",
	"enable.auto.commit":                    "Consumer.Offsets.AutoCommit.Enable",
	"auto.commit.interval.ms":               "Consumer.Offsets.AutoCommit.Interval",
	"isolation.level":                       "Consumer.IsolationLevel",
	"session.timeout.ms":                    "Consumer.Group.Session.Timeout",
	"heartbeat.interval.ms":                 "Consumer.Group.Heartbeat.Interval",
	"group.instance.id":                     "Consumer.Group.InstanceId",
	"partition.assignment.strategy":         "Consumer.Group.Rebalance.GroupStrategies",
	"fetch.min.bytes":                       "Consumer.Fetch.Min",
	"max.partition.fetch.bytes":             "Consumer.Fetch.Default",
	"fetch.max.wait.ms":                     "Consumer.MaxWaitTime",
	"client.id":                             "ClientID",
	"client.rack":                           "RackID",
	"metadata.max.age.ms":                   "Metadata.RefreshFrequency",
	"allow.auto.create.topics":              "Metadata.AllowAutoTopicCreation",
}

// nearest is what comes near to names of Java's that Sarama has no equal for.
var nearest = map[string]string{
	"linger.ms":            "Producer.Flush.Frequency",
	"batch.size":           "Producer.Flush.Bytes",
	"retry.backoff.ms":     "Producer.Retry.Backoff",
	"delivery.timeout.ms":  "Producer.Retry.Max",
	"buffer.memory":        "ChannelBufferSize",
	"max.poll.interval.ms": "Consumer.Group.Rebalance.Timeout",
}

var words = map[string]map[string]int64{
	"acks":              {"all": -1},
	"compression.type":  {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4},
	"auto.offset.reset": {"earliest": sarama.OffsetOldest, "latest": sarama.OffsetNewest},
	"isolation.level":   {"read_uncommitted": 0, "read_committed": 1},
}

var strategies = map[string]func() sarama.BalanceStrategy{
	"RangeAssignor":             sarama.NewBalanceStrategyRange,
	"RoundRobinAssignor":        sarama.NewBalanceStrategyRoundRobin,
	"StickyAssignor":            sarama.NewBalanceStrategySticky,
	"CooperativeStickyAssignor": sarama.NewBalanceStrategyCooperativeSticky,
}

// configure makes Sarama's configuration; the error is a *subject.Refused.
func configure(given map[string]string) (config *sarama.Config, addresses, set []string, err error) {
	config = sarama.NewConfig()
	config.Producer.Return.Successes = true // the outcomes are what it is about
	config.Consumer.Return.Errors = true
	config.Producer.Partitioner = newPartitioner
	if given["transactional.id"] != "" {
		// Sarama takes the one only with the others: each application has to set them.
		config.Producer.Idempotent = true
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Net.MaxOpenRequests = 1
		set = append(set, "Producer.Idempotent", "Producer.RequiredAcks", "Net.MaxOpenRequests")
	}
	for key, value := range given {
		if key == "bootstrap.servers" {
			addresses = strings.Split(value, ",")
			continue
		} else if key == "group.id" {
			continue
		}
		names := []string{java[key]}
		if key == "request.timeout.ms" {
			// In Java both how long the client waits for an answer and how long the
			// broker waits for its replicas; Sarama has a field for each.
			names = []string{"Net.ReadTimeout", "Producer.Timeout"}
		} else if names[0] == "" {
			names[0] = key
		}
		for _, name := range names {
			if !field(config, name).CanSet() {
				reason := fmt.Sprintf("sarama has no %s", key)
				if near := nearest[key]; near != "" {
					reason += "; the nearest is `" + near + "`"
				} else {
					reason += subject.Nearest(key, fields(reflect.ValueOf(config).Elem(), ""))
				}
				return nil, nil, nil, &subject.Refused{Key: key, Reason: reason}
			}
			if err := setField(field(config, name), key, value); err != nil {
				return nil, nil, nil, &subject.Refused{Key: key, Reason: err.Error()}
			}
			set = append(set, name)
		}
	}
	if err := config.Validate(); err != nil {
		return nil, nil, nil, &subject.Refused{Reason: err.Error()}
	}
	sort.Strings(set)
	return config, addresses, set, nil
}

// field is the field of a path such as Producer.Retry.Max; none where there is none.
func field(config *sarama.Config, path string) reflect.Value {
	value := reflect.ValueOf(config).Elem()
	for _, name := range strings.Split(path, ".") {
		if value.Kind() != reflect.Struct {
			return reflect.Value{}
		}
		value = value.FieldByName(name)
	}
	return value
}

func setField(field reflect.Value, key, value string) (err error) {
	var number int64
	word, isWord := words[key][value]
	switch {
	case key == "partition.assignment.strategy":
		chosen := []sarama.BalanceStrategy{}
		for _, name := range strings.Split(value, ",") {
			strategy := strategies[name[strings.LastIndex(name, ".")+1:]]
			if strategy == nil {
				return fmt.Errorf("sarama has no strategy %s", name)
			}
			chosen = append(chosen, strategy())
		}
		field.Set(reflect.ValueOf(chosen))
	case isWord:
		field.SetInt(word)
	case field.Kind() == reflect.String:
		field.SetString(value)
	case field.Kind() == reflect.Bool:
		var on bool
		on, err = strconv.ParseBool(value)
		field.SetBool(on)
	case field.Type() == reflect.TypeFor[time.Duration]():
		if java[key] != "" || key == "request.timeout.ms" {
			value += "ms"
		}
		var duration time.Duration
		duration, err = time.ParseDuration(value)
		field.SetInt(int64(duration))
	case field.CanInt():
		if number, err = strconv.ParseInt(value, 10, 64); err == nil && field.OverflowInt(number) {
			return fmt.Errorf("%s is too large", value)
		}
		field.SetInt(number)
	default:
		return fmt.Errorf("sarama takes no text for %s", key)
	}
	return err
}

// fields are the paths of all fields that can be told as text.
func fields(value reflect.Value, path string) (found []string) {
	for i := range value.NumField() {
		name, it := path+value.Type().Field(i).Name, value.Field(i)
		if it.Kind() == reflect.Struct {
			found = append(found, fields(it, name+".")...)
		} else if it.CanInterface() && (it.CanInt() || it.Kind() == reflect.String || it.Kind() == reflect.Bool) {
			found = append(found, name)
		}
	}
	return found
}

// inForce is what decides about delivery, without secrets and the other client's.
func inForce(config *sarama.Config, producer bool) map[string]string {
	values := map[string]string{}
	for _, name := range fields(reflect.ValueOf(config).Elem(), "") {
		other := map[bool]string{true: "Consumer.", false: "Producer."}[producer]
		if strings.HasPrefix(name, other) || strings.HasPrefix(name, "Admin.") || strings.HasPrefix(name, "Net.SASL.") {
			continue
		}
		values[name] = fmt.Sprint(field(config, name))
	}
	if !producer {
		names := []string{}
		for _, it := range config.Consumer.Group.Rebalance.GroupStrategies {
			names = append(names, it.Name())
		}
		values["Consumer.Group.Rebalance.GroupStrategies"] = strings.Join(names, ",")
	}
	return values
}
