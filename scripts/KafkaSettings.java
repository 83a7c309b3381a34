import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;

/// Prints what Kafka itself says of its settings, a line each: whose it is,
/// its name, its type, the values it takes, its default, and whether Kafka's
/// documentation leaves it out. Run by scripts/settings.sh.
public class KafkaSettings {
    private static final String[][] WHOSE = {
        {"topic", "org.apache.kafka.storage.internals.log.LogConfig", "CONFIG"},
        {"broker", "org.apache.kafka.server.config.AbstractKafkaConfig", "CONFIG_DEF"},
        {"producer", "org.apache.kafka.clients.producer.ProducerConfig", "configDef"},
        {"consumer", "org.apache.kafka.clients.consumer.ConsumerConfig", "configDef"},
        {"worker", "org.apache.kafka.connect.runtime.distributed.DistributedConfig", "config"},
    };

    public static void main(String[] args) throws Exception {
        for (String[] of : WHOSE) {
            ConfigDef definitions = definitions(Class.forName(of[1]), of[2]);
            for (ConfigDef.ConfigKey key : new TreeMap<>(definitions.configKeys()).values()) {
                String takes = key.validator == null ? "" : key.validator.toString();
                // A class without words of its own: anything.
                if (takes.matches(".*(@[0-9a-f]+|\\$\\$Lambda.*)")) {
                    takes = "";
                }
                String usual = key.hasDefault()
                    ? String.valueOf(ConfigDef.convertToString(key.defaultValue, key.type))
                    : "";
                System.out.println(String.join("\t", of[0], key.name, key.type.name().toLowerCase(),
                    takes, usual.replaceAll("\\s", " "), key.internalConfig ? "internal" : ""));
            }
        }
    }

    private static ConfigDef definitions(Class<?> of, String member) throws Exception {
        for (Method method : of.getDeclaredMethods()) {
            if (method.getName().equals(member) && method.getReturnType() == ConfigDef.class) {
                method.setAccessible(true);
                Object[] given = new Object[method.getParameterCount()];
                for (int at = 0; at < given.length; at++) {
                    given[at] = method.getParameterTypes()[at].getField("SYSTEM").get(null);
                }
                return (ConfigDef) method.invoke(null, given);
            }
        }
        Field field = of.getDeclaredField(member);
        field.setAccessible(true);
        return (ConfigDef) field.get(null);
    }
}
