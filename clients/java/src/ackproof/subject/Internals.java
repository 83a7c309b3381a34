package ackproof.subject;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.metrics.Sensor;
import org.apache.kafka.common.metrics.stats.CumulativeSum;

/** What clients know of themselves, and tell nowhere or not as a sum. */
final class Internals {
    private final Pipe pipe;
    private final List<Map<MetricName, ? extends Metric>> counted = new ArrayList<>();
    private double toldRetries;
    private double toldThrottleMs;
    private long toldAt;

    Internals(Pipe pipe) {
        this.pipe = pipe;
    }

    static Object field(Object object, String name) throws ReflectiveOperationException {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(object);
    }

    void count(KafkaProducer<?, ?> producer) {
        count(producer, "produce-throttle-time");
        counted.add(producer.metrics());
    }

    void count(KafkaConsumer<?, ?> consumer) {
        Object owner = consumer;
        try {
            owner = field(consumer, "delegate");
        } catch (ReflectiveOperationException e) {
            // Before 3.7 the consumer has no delegate.
        }
        count(owner, "fetch-throttle-time");
        counted.add(consumer.metrics());
    }

    /** Has the client sum up how long brokers told it to wait: it keeps mean and maximum only. */
    private static void count(Object owner, String name) {
        try {
            Metrics metrics = (Metrics) field(owner, "metrics");
            Sensor sensor = metrics.getSensor(name);
            if (sensor != null) {
                sensor.add(metrics.metricName(name + "-sum", "ackproof"), new CumulativeSum());
            }
        } catch (ReflectiveOperationException e) {
            e.printStackTrace();
        }
    }

    /** Tells retries and throttling, where there were any, once a second. */
    void tellNowAndThen() {
        long now = System.nanoTime();
        if (now - toldAt >= 1_000_000_000L) {
            toldAt = now;
            tell();
        }
    }

    void tell() {
        double retries = 0;
        double throttleMs = 0;
        for (Map<MetricName, ? extends Metric> metrics : counted) {
            for (Map.Entry<MetricName, ? extends Metric> metric : metrics.entrySet()) {
                MetricName name = metric.getKey();
                if (name.group().equals("ackproof")) {
                    throttleMs += (Double) metric.getValue().metricValue();
                } else if (name.name().equals("record-retry-total")
                        && name.group().equals("producer-metrics")) {
                    retries += (Double) metric.getValue().metricValue();
                }
            }
        }
        if (retries > toldRetries) {
            pipe.tell("event", "counted", "retries", (long) retries);
            toldRetries = retries;
        }
        if (throttleMs > toldThrottleMs) {
            long sinceThen = (long) (throttleMs - toldThrottleMs);
            pipe.tell("event", "throttled", "throttle_ms", sinceThen);
            toldThrottleMs = throttleMs;
        }
    }
}
