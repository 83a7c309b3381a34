package ackproof.subject;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What follows from an exception of the client, by the documentation of KafkaProducer and
 * KafkaConsumer. By names, because older versions lack some of the classes.
 */
final class Errors {
    private static final Set<String> TRANSACTIONAL = set(
            "init-transactions", "begin-transaction", "send-offsets", "commit-transaction",
            "abort-transaction", "send in a transaction");
    private static final Set<String> FENCED =
            set("ProducerFencedException", "FencedInstanceIdException");
    private static final Set<String> STALE = set(
            "CommitFailedException", "UnknownMemberIdException", "IllegalGenerationException",
            "StaleMemberEpochException", "FencedMemberEpochException");
    private static final Set<String> REFUSED =
            set("RebalanceInProgressException", "GroupAuthorizationException");
    private static final Set<String> FATAL = set(
            "UnsupportedVersionException", "UnsupportedAssignorException",
            "UnreleasedInstanceIdException");
    /** The transaction cannot be saved, and the next one neither: "close the producer". */
    private static final Set<String> FATAL_TO_PRODUCERS = set(
            "OutOfOrderSequenceException", "AuthorizationException", "AuthenticationException",
            "IllegalStateException");
    private static final Set<String> RETRIABLE = set("RetriableException");
    private static final Set<String> UNABLE =
            set("UnsupportedCompressionTypeException", "SerializationException", "LinkageError");
    private static final Set<String> NOT_ALLOWED = set("AuthorizationException");
    /**
     * What `KafkaProducer.doSend` meets before it appends the record to a batch, and never
     * afterwards, where only errors of transactions can come.
     */
    private static final Set<String> BEFORE_QUEUED = set(
            "TimeoutException", "RecordTooLargeException", "SerializationException",
            "InvalidTopicException", "TopicAuthorizationException");

    private Errors() {}

    /** The error as the protocol has it; `op` is the request that met it. */
    static Map<String, Object> error(Throwable error, String op) {
        return Json.object(
                "name", error.getClass().getSimpleName(),
                "message", String.valueOf(error.getMessage()),
                "class", classOf(error, op));
    }

    private static String classOf(Throwable error, String op) {
        if (is(error, FENCED) || is(error.getCause(), FENCED)) {
            return "fenced";
        } else if (is(error, STALE)) {
            return "stale";
        } else if (is(error, FATAL)) {
            return "fatal";
        } else if (TRANSACTIONAL.contains(op)) {
            boolean sends = op.startsWith("send in");
            if (!sends && is(error, RETRIABLE)) {
                return "retriable";
            }
            // After a failed abort there is nothing left to try.
            boolean last = op.equals("init-transactions") || op.equals("abort-transaction");
            return last || is(error, FATAL_TO_PRODUCERS) ? "fatal" : "abortable";
        } else if (is(error, REFUSED)) {
            return "refused";
        }
        return is(error, RETRIABLE) ? "retriable" : "other";
    }

    /** The `cause` of an error that answers no request. */
    static String cause(Throwable error) {
        if (is(error, NOT_ALLOWED)) {
            return "not-allowed";
        }
        return is(error, UNABLE) || is(error.getCause(), UNABLE) ? "unable" : "pipeline";
    }

    /** Whether no poll can go on after this one. */
    static boolean endsPolling(Map<String, Object> error) {
        return error.get("class").equals("fatal") || error.get("class").equals("fenced");
    }

    /** Whether an error within `send` says that the record was put into no request. */
    static boolean beforeQueued(Throwable error) {
        return is(error, BEFORE_QUEUED);
    }

    private static boolean is(Throwable error, Set<String> names) {
        for (Class<?> type = error == null ? null : error.getClass(); type != null;
                type = type.getSuperclass()) {
            if (names.contains(type.getSimpleName())) {
                return true;
            }
        }
        return false;
    }

    private static Set<String> set(String... names) {
        return new HashSet<>(Arrays.asList(names));
    }
}
