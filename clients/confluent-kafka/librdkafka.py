"""What librdkafka itself says of a configuration.

confluent-kafka tells neither its defaults nor what becomes of a setting, so the library
in its wheel is asked: a client is made by it, connected to nothing, and dropped.
"""

import ctypes
from glob import glob
from os.path import dirname

import confluent_kafka

PRODUCER, CONSUMER = 0, 1
OK, UNKNOWN = 0, -2

_wheel = dirname(confluent_kafka.__file__)
_lib = ctypes.CDLL((glob(_wheel + ".libs/librdkafka*") + glob(_wheel + "/.dylibs/librdkafka*"))[0])
for name in ("conf_new", "topic_conf_new", "new", "conf"):
    getattr(_lib, "rd_kafka_" + name).restype = ctypes.c_void_p


class Configuration:
    def __init__(self):
        self._conf = ctypes.c_void_p(_lib.rd_kafka_conf_new())
        topic = ctypes.c_void_p(_lib.rd_kafka_topic_conf_new())
        _lib.rd_kafka_conf_set_default_topic_conf(self._conf, topic)
        _lib.rd_kafka_conf_set_log_cb(self._conf, None)

    def set(self, key, value):
        """None, or librdkafka's words, and whether it is the key that it does not know."""
        reason = ctypes.create_string_buffer(512)
        code = _lib.rd_kafka_conf_set(
            self._conf, key.encode(), value.encode(), reason, ctypes.c_size_t(512)
        )
        return None if code == OK else (reason.value.decode(), code == UNKNOWN)

    def in_force(self, kind, keys):
        """The values of these keys in a client that is made of all: some follow from others.

        Raises ValueError where they contradict each other.
        """
        reason = ctypes.create_string_buffer(512)
        client = _lib.rd_kafka_new(kind, self._conf, reason, ctypes.c_size_t(512))
        if not client:
            raise ValueError(reason.value.decode())
        client = ctypes.c_void_p(client)
        conf = ctypes.c_void_p(_lib.rd_kafka_conf(client))
        values = {}
        for key in keys:
            value, size = ctypes.create_string_buffer(4096), ctypes.c_size_t(4096)
            if _lib.rd_kafka_conf_get(conf, key.encode(), value, ctypes.byref(size)) == OK:
                values[key] = value.value.decode()
        _lib.rd_kafka_destroy(client)
        return values
