package ackproof.subject;

import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** Hears of what the consumer commits by itself. The client makes it, by its name. */
public final class AutoCommits implements ConsumerInterceptor<byte[], byte[]> {
    /** What is to be done with the positions. */
    static volatile Consumer<Map<TopicPartition, OffsetAndMetadata>> listener;

    @Override
    public ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> records) {
        return records;
    }

    @Override
    public void onCommit(Map<TopicPartition, OffsetAndMetadata> positions) {
        listener.accept(positions);
    }

    @Override
    public void configure(Map<String, ?> settings) {}

    @Override
    public void close() {}
}
