package ackproof.subject;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.utils.AppInfoParser;

/** The configuration of one client: refuses what it does not know, and tells what is in force. */
final class Config {
    /** Classes of the user's that may have keys of their own. */
    private static final List<String> PLUGINS =
            Arrays.asList("interceptor.classes", "metric.reporters", "partitioner.class");
    private static final Pattern KEY_IN_MESSAGE = Pattern.compile("configuration ([\\w.]+)");
    private static final String BYTES = "org.apache.kafka.common.serialization.ByteArray";

    final Map<String, Object> settings;

    private Config(Map<String, Object> settings) {
        this.settings = settings;
    }

    /** A configuration that is not possible. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        final String key;

        Refused(String key, String reason) {
            super(reason);
            this.key = key;
        }
    }

    static Config ofProducer(Map<String, Object> given) {
        return checked(given, ProducerConfig.configNames(), "Serializer");
    }

    static Config ofConsumer(Map<String, Object> given) {
        return checked(given, ConsumerConfig.configNames(), "Deserializer");
    }

    /** The client itself would only log a warning of a key that it does not know. */
    private static Config checked(Map<String, Object> given, Set<String> known, String codec) {
        boolean plugins = given.keySet().stream().anyMatch(PLUGINS::contains);
        for (String key : given.keySet()) {
            if (!known.contains(key) && !plugins && !key.startsWith("config.providers")) {
                String nearest = known.stream()
                        .min(Comparator.comparingInt(name -> distance(key, name))).get();
                boolean near = distance(key, nearest) * 3 <= key.length();
                throw new Refused(key, "kafka-clients " + AppInfoParser.getVersion() + " has no "
                        + key + (near ? "; the nearest is " + nearest : ""));
            }
        }
        Map<String, Object> settings = new HashMap<>(given);
        for (String part : new String[] {"key.", "value."}) {
            String key = part + codec.toLowerCase();
            if (settings.putIfAbsent(key, BYTES + codec) != null
                    && !settings.get(key).equals(BYTES + codec)) {
                throw new Refused(key, "records are bytes: " + BYTES + codec);
            }
        }
        return new Config(settings);
    }

    /** Edits that make one word the other (Levenshtein). */
    private static int distance(String one, String other) {
        int[] before = new int[other.length() + 1];
        for (int j = 0; j < before.length; j++) {
            before[j] = j;
        }
        for (int i = 1; i <= one.length(); i++) {
            int[] now = new int[before.length];
            now[0] = i;
            for (int j = 1; j < now.length; j++) {
                int same = one.charAt(i - 1) == other.charAt(j - 1) ? 0 : 1;
                now[j] = Math.min(Math.min(now[j - 1], before[j]) + 1, before[j - 1] + same);
            }
            before = now;
        }
        return before[other.length()];
    }

    /** What the client says of a configuration that it does not take. */
    Refused refused(Throwable error) {
        Throwable cause = error.getCause() == null ? error : error.getCause();
        String reason = String.valueOf(cause.getMessage());
        Matcher named = KEY_IN_MESSAGE.matcher(reason);
        String key = named.find() && settings.containsKey(named.group(1)) ? named.group(1) : null;
        if (key == null) {
            key = settings.keySet().stream().filter(reason::contains)
                    .max(Comparator.comparingInt(String::length)).orElse(null);
        }
        return new Refused(key, reason);
    }

    /** What is in force, defaults included and secrets left out. */
    Map<String, String> inForce(KafkaProducer<byte[], byte[]> producer) {
        Map<String, String> inForce = inForce(new ProducerConfig(settings));
        // The defaults of 3.0.0, 3.1.0 say true, and the producer is not idempotent (KAFKA-13598):
        // only that it numbers its records is the truth.
        try {
            boolean numbers = Internals.field(producer, "transactionManager") != null;
            inForce.put("enable.idempotence", String.valueOf(numbers));
        } catch (ReflectiveOperationException e) {
            e.printStackTrace();
        }
        return inForce;
    }

    /** The same of a consumer. */
    Map<String, String> inForce() {
        return inForce(new ConsumerConfig(settings));
    }

    private Map<String, String> inForce(AbstractConfig config) {
        Map<String, String> inForce = new TreeMap<>();
        config.values().forEach((key, value) -> {
            if (value != null && !(value instanceof Password)) {
                inForce.put(key, shown(value));
            }
        });
        if (!settings.containsKey("client.id")) {
            // Made up anew for each configuration that is read.
            inForce.remove("client.id");
        }
        return inForce;
    }

    private static String shown(Object value) {
        if (value instanceof List) {
            List<String> shown = new ArrayList<>();
            ((List<?>) value).forEach(element -> shown.add(shown(element)));
            return String.join(",", shown);
        }
        return value instanceof Class ? ((Class<?>) value).getName() : String.valueOf(value);
    }
}
