// Writes a bill for each order, at most once: the position is committed before the work is
// done. After a crash nobody reads the orders that were in hand again.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type order struct {
	ID     string `json:"order_id"`
	Amount int    `json:"amount"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Getenv("KAFKA_BOOTSTRAP_SERVERS")),
		kgo.ConsumerGroup(os.Getenv("KAFKA_GROUP_ID")),
		kgo.ConsumeTopics(os.Getenv("KAFKA_TOPIC")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DefaultProduceTopic(os.Getenv("KAFKA_OUTPUT_TOPIC")),
		kgo.SessionTimeout(6*time.Second),
		kgo.DisableAutoCommit(),
	)
	check(err)
	defer client.Close()
	for ctx.Err() == nil {
		fetches := client.PollRecords(ctx, 50)
		orders := fetches.Records()
		check(client.CommitRecords(context.Background(), orders...))
		for _, record := range orders {
			var order order
			check(json.Unmarshal(record.Value, &order))
			bill, err := json.Marshal(map[string]any{"order": order})
			check(err)
			bills := &kgo.Record{Key: record.Key, Value: bill}
			check(client.ProduceSync(context.Background(), bills).FirstErr())
			time.Sleep(2 * time.Millisecond) // the work
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
