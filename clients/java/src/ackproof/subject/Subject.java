package ackproof.subject;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Kafka's own clients as a subject of ackproof, in any version since 2.8: what a request asks for
 * is done with KafkaProducer and KafkaConsumer on this one thread, as an application would.
 * docs/reference/subject-protocol.md has the requests and the events.
 */
public final class Subject implements ConsumerRebalanceListener {
    private final Pipe pipe;
    private final Internals internals;
    private KafkaProducer<byte[], byte[]> producer;
    private KafkaConsumer<byte[], byte[]> consumer;
    private boolean transactional;
    /** Records without an outcome. */
    private final AtomicLong open = new AtomicLong();
    /** Whether the consumer waits, in its callback, for leave to let partitions go. */
    private boolean revoking;
    /** What the last poll gave, as far as ackproof has not taken it. Polled again once empty. */
    private final ArrayDeque<ConsumerRecord<byte[], byte[]>> polled = new ArrayDeque<>();
    /** What is being committed because ackproof said so. */
    private Map<TopicPartition, OffsetAndMetadata> committing;

    private Subject(Pipe pipe) {
        this.pipe = pipe;
        this.internals = new Internals(pipe);
    }

    /** Speaks the protocol on standard input and output, until it is closed. */
    public static void main(String[] args) throws InterruptedException {
        Pipe pipe = new Pipe(System.in, new FileOutputStream(FileDescriptor.out));
        // Nothing else may get among the lines.
        System.setOut(System.err);
        ignoreSignals();
        int code = 1;
        try {
            code = new Subject(pipe).run();
        } catch (Throwable error) {
            error.printStackTrace();
        }
        pipe.finish();
        // At once: what is left of the clients is no longer of interest.
        Runtime.getRuntime().halt(code);
    }

    /** ackproof ends a subject by `close`. By reflection: no public API of Java has signals. */
    private static void ignoreSignals() {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object ignore = handler.getField("SIG_IGN").get(null);
            for (String name : new String[] {"INT", "TERM"}) {
                Object it = signal.getConstructor(String.class).newInstance(name);
                signal.getMethod("handle", signal, handler).invoke(null, it, ignore);
            }
        } catch (ReflectiveOperationException e) {
            e.printStackTrace();
        }
    }

    private int run() throws InterruptedException {
        Map<String, Object> start = pipe.next(Long.MAX_VALUE);
        try {
            start(start);
        } catch (Config.Refused refused) {
            pipe.tell("event", "refused", "key", refused.key, "reason", refused.getMessage());
            return 2;
        }
        serveUntil("close");
        close(start.get("check") == Boolean.TRUE ? Duration.ZERO : Duration.ofSeconds(30));
        return 0;
    }

    private void start(Map<String, Object> start) {
        if (!"start".equals(start.get("op")) || !Long.valueOf(1).equals(start.get("protocol"))) {
            throw new Config.Refused(null, "this subject speaks protocol 1, and begins with `start`");
        }
        Map<String, String> inForce = new TreeMap<>();
        List<String> set = new ArrayList<>();
        boolean both = start.containsKey("producer") && start.containsKey("consumer");
        if (start.get("producer") != null) {
            Map<String, Object> given = settings(start, "producer");
            String prefix = both ? "producer." : "";
            makeProducer(Config.ofProducer(given))
                    .forEach((key, value) -> inForce.put(prefix + key, value));
            given.keySet().forEach(key -> set.add(prefix + key));
        }
        if (start.get("consumer") != null) {
            Map<String, Object> given = settings(start, "consumer");
            Collection<String> topics = list(map(start.get("consumer")).get("topics"));
            boolean check = start.get("check") == Boolean.TRUE;
            inForce.putAll(
                    makeConsumer(Config.ofConsumer(given), check ? Collections.emptyList() : topics));
            set.addAll(given.keySet());
        }
        set.retainAll(inForce.keySet());
        pipe.tell("event", "ready", "protocol", 1, "client", "kafka-clients",
                "version", AppInfoParser.getVersion(), "config", inForce, "set", set);
    }

    private Map<String, String> makeProducer(Config config) {
        try {
            producer = new KafkaProducer<>(config.settings);
            transactional = config.settings.containsKey("transactional.id");
            internals.count(producer);
            return config.inForce(producer);
        } catch (RuntimeException error) {
            throw config.refused(error);
        }
    }

    private Map<String, String> makeConsumer(Config config, Collection<String> topics) {
        try {
            Map<String, String> inForce = config.inForce();
            Map<String, Object> settings = new HashMap<>(config.settings);
            if (inForce.get("enable.auto.commit").equals("true")) {
                AutoCommits.listener = this::committed;
                settings.merge("interceptor.classes", AutoCommits.class.getName(),
                        (theirs, ours) -> theirs + "," + ours);
            }
            consumer = new KafkaConsumer<>(settings);
            internals.count(consumer);
            if (!topics.isEmpty()) {
                consumer.subscribe(topics, this);
            }
            return inForce;
        } catch (RuntimeException error) {
            throw config.refused(error);
        }
    }

    /** Serves requests, until one of this name. */
    private void serveUntil(String last) {
        while (true) {
            Map<String, Object> request;
            try {
                request = pipe.next(1000);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            internals.tellNowAndThen();
            if (request != null && last.equals(request.get("op"))) {
                return;
            } else if (request != null) {
                serve(String.valueOf(request.get("op")), request);
            }
        }
    }

    private void serve(String op, Map<String, Object> request) {
        switch (op) {
            case "send":
                send(request);
                break;
            case "poll":
                poll(request);
                break;
            case "flush":
                answer(op, this::flush);
                break;
            case "flush-once":
                answer(op, () -> producer.flush());
                break;
            case "commit":
                answer(op, () -> commit(positions(request)));
                break;
            case "seek":
                answer(op, () -> seek(partition(request), (Long) request.get("offset")));
                break;
            case "init-transactions":
                answer(op, () -> producer.initTransactions());
                break;
            case "begin-transaction":
                answer(op, () -> producer.beginTransaction());
                break;
            case "send-offsets":
                answer(op, () -> producer.sendOffsetsToTransaction(
                        positions(request), consumer.groupMetadata()));
                break;
            case "commit-transaction":
                answer(op, () -> producer.commitTransaction());
                break;
            case "abort-transaction":
                answer(op, () -> producer.abortTransaction());
                break;
            default:
                answer(op, () -> {
                    throw new UnsupportedOperationException("not a request at this point: " + op);
                });
        }
    }

    private void answer(String op, Runnable request) {
        Map<String, Object> failure = null;
        try {
            request.run();
        } catch (RuntimeException | LinkageError error) {
            failure = Errors.error(error, op);
        }
        pipe.tell("event", "done", "op", op, "error", failure);
    }

    private void send(Map<String, Object> request) {
        Outcome outcome = new Outcome(request.get("id"));
        try {
            Long partition = (Long) request.get("partition");
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
                    (String) request.get("topic"),
                    partition == null ? null : partition.intValue(),
                    bytes(request.get("key")),
                    bytes(request.get("value")));
            for (Object it : list(request.get("headers"))) {
                Map<String, Object> header = map(it);
                record.headers().add((String) header.get("key"), bytes(header.get("value")));
            }
            producer.send(record, outcome);
        } catch (RuntimeException | LinkageError error) {
            outcome.fail(error);
        }
        outcome.returned = true;
    }

    /** Old versions return while halves of a batch that was too large are still on their way. */
    private void flush() {
        producer.flush();
        while (open.get() > 0) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
            producer.flush();
        }
    }

    /** Tells the outcome of one record, the first that the client tells. */
    private final class Outcome implements Callback {
        private final Object id;
        private final Thread caller = Thread.currentThread();
        /** Whether `send` is over: what its own thread hears before comes of no request. */
        private boolean returned;
        private boolean told;

        Outcome(Object id) {
            this.id = id;
            open.incrementAndGet();
        }

        @Override
        public void onCompletion(RecordMetadata metadata, Exception error) {
            if (error != null) {
                fail(error);
            } else if (firstTold()) {
                pipe.tell("event", "acknowledged", "id", id, "partition", metadata.partition(),
                        "offset", metadata.hasOffset() ? metadata.offset() : null);
                open.decrementAndGet();
            }
        }

        void fail(Throwable error) {
            if (firstTold()) {
                boolean within = Thread.currentThread() == caller && !returned;
                boolean failed = within && Errors.beforeQueued(error);
                String op = transactional ? "send in a transaction" : "send";
                pipe.tell("event", failed ? "failed" : "unknown", "id", id,
                        "error", Errors.error(error, op));
                open.decrementAndGet();
            }
        }

        private synchronized boolean firstTold() {
            boolean first = !told;
            told = true;
            return first;
        }
    }

    private void poll(Map<String, Object> request) {
        Long waitMs = (Long) request.get("wait_ms");
        try {
            if (revoking) {
                throw new IllegalStateException("poll while partitions are being revoked");
            }
            if (polled.isEmpty()) {
                consumer.poll(Duration.ofMillis(waitMs)).forEach(polled::add);
            }
            List<Object> records = new ArrayList<>();
            for (long max = (Long) request.get("max"); max > 0 && !polled.isEmpty(); max--) {
                records.add(received(polled.remove()));
            }
            pipe.tell("event", "polled", "records", records);
        } catch (RuntimeException | LinkageError failure) {
            Map<String, Object> error = Errors.error(failure, "poll");
            boolean isOver = Errors.endsPolling(error);
            if (!isOver) {
                pipe.tell("event", "error", "error", error, "cause", Errors.cause(failure));
                // Most errors come back at once.
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(waitMs));
            }
            pipe.tell("event", "polled", "records", Collections.emptyList(),
                    "error", isOver ? error : null);
        }
    }

    private static Map<String, Object> received(ConsumerRecord<byte[], byte[]> record) {
        List<Object> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add(Json.object("key", header.key(), "value", base64(header.value())));
        }
        return Json.object("topic", record.topic(), "partition", record.partition(),
                "offset", record.offset(), "key", base64(record.key()),
                "value", base64(record.value()), "headers", headers.isEmpty() ? null : headers);
    }

    private void commit(Map<TopicPartition, OffsetAndMetadata> positions) {
        committing = positions;
        try {
            consumer.commitSync(positions);
        } finally {
            committing = null;
        }
    }

    /** Hears of every commit, ackproof's among them. */
    private void committed(Map<TopicPartition, OffsetAndMetadata> positions) {
        if (positions.isEmpty() || positions.equals(committing)) {
            return;
        }
        List<Object> offsets = new ArrayList<>();
        positions.forEach((partition, position) -> offsets.add(Json.object(
                "topic", partition.topic(), "partition", partition.partition(),
                "offset", position.offset())));
        pipe.tell("event", "committed", "offsets", offsets);
    }

    private void seek(TopicPartition partition, long offset) {
        consumer.seek(partition, offset);
        polled.removeIf(record -> partition.equals(partition(record)));
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        tell("assigned", partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        if (tell("revoked", partitions)) {
            revoking = true;
            serveUntil("continue");
            revoking = false;
        }
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        tell("lost", partitions);
    }

    /** Whether there were any. */
    private boolean tell(String event, Collection<TopicPartition> partitions) {
        List<Object> list = new ArrayList<>();
        for (TopicPartition it : partitions) {
            list.add(Json.object("topic", it.topic(), "partition", it.partition()));
        }
        if (!list.isEmpty()) {
            pipe.tell("event", event, "partitions", list);
        }
        return !list.isEmpty();
    }

    private void close(Duration limit) {
        answer("close", () -> {
            try {
                if (consumer != null) {
                    leave(limit);
                }
            } finally {
                internals.tell();
                if (producer != null) {
                    producer.close();
                }
            }
        });
    }

    private void leave(Duration limit) {
        // What ackproof never took must not be committed on leaving.
        for (Iterator<ConsumerRecord<byte[], byte[]>> last = polled.descendingIterator();
                last.hasNext(); ) {
            ConsumerRecord<byte[], byte[]> record = last.next();
            consumer.seek(partition(record), record.offset());
        }
        consumer.close(limit);
    }

    private static TopicPartition partition(ConsumerRecord<?, ?> record) {
        return new TopicPartition(record.topic(), record.partition());
    }

    private static TopicPartition partition(Map<String, Object> request) {
        return new TopicPartition(
                (String) request.get("topic"), ((Long) request.get("partition")).intValue());
    }

    private static Map<TopicPartition, OffsetAndMetadata> positions(Map<String, Object> request) {
        Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
        for (Object it : list(request.get("offsets"))) {
            Map<String, Object> position = map(it);
            positions.put(
                    partition(position), new OffsetAndMetadata((Long) position.get("offset")));
        }
        return positions;
    }

    private static Map<String, Object> settings(Map<String, Object> start, String client) {
        return map(map(start.get(client)).get("config"));
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    private static <T> List<T> list(Object value) {
        return value == null ? Collections.emptyList() : (List<T>) value;
    }

    private static byte[] bytes(Object base64) {
        return base64 == null ? null : Base64.getDecoder().decode((String) base64);
    }

    private static String base64(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }
}
