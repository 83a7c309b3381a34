//! How a history is written, and where it is damaged.

use std::fmt::Write as _;
use std::io::{BufReader, Read};

use import::jepsen::{JepsenError, JepsenNote, JepsenSettings};

use crate::notation::{history, import, read, refused, shown};

const SENT: &str = "{:process 0 :type :invoke :f :send :value [[:send 1 10]] :time 1}";
const ACKNOWLEDGED: &str = "{:process 0 :type :ok :f :send :value [[:send 1 [0 10]]] :time 2}";

fn told(edn: &str) -> String {
    shown(&read(edn).0)
}

#[test]
fn operations_stand_one_a_line_or_in_one_vector() {
    let expected = "m0 started\np0/0 sent to 0\np0/0 acknowledged 0@0";
    for edn in [
        format!("{SENT}\n{ACKNOWLEDGED}\n"),
        format!("{SENT}{ACKNOWLEDGED}"),
        format!("[{SENT}\n {ACKNOWLEDGED}]"),
        format!("({SENT} {ACKNOWLEDGED}) ; that is all\n"),
        format!("; first\n#_ {{:process 9}} #_#_ 1 \"{{\" {SENT} #_[{{]}}]\n{ACKNOWLEDGED} #_x")
            .replace("#_[{]}]", "#_[\\]]"),
        format!("#jepsen.history.Op{SENT}\n#jepsen.history.Op {ACKNOWLEDGED}\n"),
        format!("[#jepsen.history.Op{SENT}, #_#a #b 1\r\n#jepsen.history.Op{ACKNOWLEDGED}]"),
        format!("{SENT}\n{ACKNOWLEDGED}").replace(' ', "\n ,; }\n"),
        format!("{SENT}\n{ACKNOWLEDGED}").replace(":time", ":index 3, #_{:f :poll} :time"),
    ] {
        assert_eq!(told(&edn), expected, "{edn}");
    }
}

#[test]
fn everything_that_clojure_prints_can_stand_in_other_fields() {
    let error = r#"{:via [#error {:cause "a\"}\\" :at [java.lang.Foo$bar_1 "x" -1]}]
        :o #object[a.B 0x1f2e "}"] :s #{1 2} :n nil :t true :c [\a \} \" \newline \u00e9]
        :r 22/7 :d -1.5e-3M :big 99999999999999999999N :inf ##Inf #inst "2020-01-01" #uuid "x"
        :ns #:a{:b 1} :q a/b :e [:type :abort {:type :x}] :re #"a[" é ü}"#;
    let edn = format!("{SENT}\n{{:error {error} :process 0 :type :fail :f :send :time 2}}\n");
    let events = told(&edn);
    assert!(events.contains("p0/0 failed: {:via [#error"), "{events}");
}

#[test]
fn a_key_and_a_value_can_be_any_scalar() {
    for scalar in [
        "nil",
        ":a/b",
        "\"a ]\"",
        "\\]",
        "sym",
        "true",
        "1.5",
        "1/2",
        "-7",
        "99999999999999999999999",
        "#inst \"2020\"",
        "#uuid \"a\"",
    ] {
        let events = told(&history(&format!(
            "0 invoke send [[:send {scalar} {scalar}]]
             0 ok send [[:send {scalar} [0 {scalar}]]]
             0 invoke poll [[:poll]]
             0 ok poll [[:poll {{{scalar} [[0 {scalar}]]}}]]"
        )));
        assert!(events.ends_with("m0 read 0@0 p0/0"), "{scalar}: {events}");
    }
}

#[test]
fn one_number_is_one_value_however_it_is_written() {
    let events = told(&history(
        "0 invoke send [[:send 1 10]]
         0 ok send [[:send 1N [0 +10]]]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {+1 [[0N 10N]]}]]",
    ));
    assert!(events.ends_with("m0 read 0@0 p0/0"), "{events}");
}

#[test]
fn a_last_operation_that_is_cut_off_is_noted() {
    let whole = format!("{SENT}\n{ACKNOWLEDGED}\n");
    for tail in [
        "{",
        "#",
        "#jepsen.history",
        "#jepsen.history.Op{:process 0",
        "{:process 0 :error \"a",
        "{:value [\\",
        "#_",
        "#_ {:a",
    ] {
        let (events, summary) = read(&format!("{whole}{tail}"));
        assert_eq!(summary.notes, [JepsenNote::CutOff { line: 3 }], "{tail}");
        assert_eq!(shown(&events), told(&whole));
    }
    let (events, summary) = read(&format!("[{SENT}\n{ACKNOWLEDGED}\n"));
    assert_eq!(summary.notes, [JepsenNote::Unclosed]);
    assert_eq!(shown(&events), told(&whole));
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_operations() {
    let lines = "0 invoke subscribe [1]
         0 ok subscribe [1]
         0 invoke txn [[:send 1 10] [:poll]]
         0 info txn [[:send 1 [0 10]] [:poll {1 [[0 10]]}]], :error \"a \\\"}\"
         0 invoke crash
         0 info crash";
    let history = history(lines);
    let in_a_vector = format!("[{}]", history.replace('\n', "\n "));
    for whole in [&history, &in_a_vector] {
        let ends: Vec<usize> = whole.match_indices("}\n").map(|(at, _)| at + 1).collect();
        let begins: Vec<usize> = whole.match_indices("{:process").map(|(at, _)| at).collect();
        assert_eq!((begins.len(), ends.len()), (6, 6));
        for length in 0..whole.len() {
            let cut = &whole[..length];
            let (_, summary) = read(cut);
            let ended = ends.iter().filter(|end| **end <= length).count();
            assert_eq!(summary.operations, ended as u64, "{cut}");
            let begun = begins.iter().filter(|begin| **begin < length).count();
            let cut_off = |note: &JepsenNote| matches!(note, JepsenNote::CutOff { .. });
            assert_eq!(summary.notes.iter().any(cut_off), begun > ended, "{cut}");
        }
    }
}

#[test]
fn an_operation_that_swallows_the_next_is_no_cut() {
    let unclosed = SENT.trim_end_matches('}');
    let edn = format!("{ACKNOWLEDGED}\n{unclosed}\n{ACKNOWLEDGED}\n");
    let expected = "h.edn:2:1: the operation that begins here does not end, and others follow it";
    assert_eq!(refused(edn.as_bytes()), expected);
}

#[test]
fn whatever_is_malformed_is_named_with_its_place() {
    for (edn, expected) in [
        ("nope", "1:1: expected an operation"),
        ("\n  42", "2:3: expected an operation"),
        ("{:process 0]", "1:12: `]` closes nothing that is open here"),
        ("}", "1:1: expected an operation"),
        (
            "[] {}",
            "1:4: the vector of operations has ended, and something follows it",
        ),
        ("[}", "1:2: expected an operation"),
        ("#a [1]", "1:4: expected an operation"),
        ("#inst \"x\" {}", "1:7: expected an operation"),
        ("{}", "1:1: the operation has no `:process`"),
        (
            "{:f :poll :type :ok}",
            "1:1: the operation has no `:process`",
        ),
        ("{:f :poll :process 0}", "1:1: the operation has no `:type`"),
        ("{:process 0 :type :ok}", "1:1: the operation has no `:f`"),
        (
            "{:process 0.5 :type :ok :f :poll}",
            "1:11: expected a process",
        ),
        (
            "{:process 0 :type :okay :f :poll}",
            "1:19: expected `:invoke`",
        ),
        (
            "{:process 0 :process 1}",
            "1:13: the operation has two values for `:process`",
        ),
        ("{:process}", "1:10: expected a value"),
        (
            "{:process 0 :type :ok :f :poll :time -1}",
            "1:38: -1 is no time",
        ),
        (
            "{:process 0 :type :ok :f :poll :time :now}",
            "1:38: expected a time",
        ),
        (
            "{:process 0 :type :ok :f :assign :value {}}",
            "1:41: expected a vector of keys",
        ),
        (
            "{:process 0 :type :ok :f :assign :value [[1]]}",
            "1:42: expected a number, keyword, string or other scalar",
        ),
    ] {
        let found = refused(edn.as_bytes());
        let expected = format!("h.edn:{expected}");
        assert!(found.starts_with(&expected), "{edn}: {found}");
    }
}

#[test]
fn malformed_micro_operations_are_named_with_their_place() {
    for (value, expected) in [
        ("7", "1:2: expected a vector of"),
        (
            "[:send 1 2]",
            "1:3: expected `[:send KEY VALUE]` or `[:poll ...]`",
        ),
        ("[[:append 1 2]]", "1:3: expected `[:send KEY VALUE]`"),
        ("[[:send 1]]", "1:11: expected a number, keyword, string"),
        (
            "[[:send 1 2 3]]",
            "1:14: expected the end of this micro-operation",
        ),
        ("[[:send 1 [0]]]", "1:14: expected a number, keyword"),
        (
            "[[:send 1 [0 1 2]]]",
            "1:17: expected the end of [OFFSET VALUE]",
        ),
        ("[[:send 1 [:a 1]]]", "1:13: expected an offset or nil"),
        ("[[:send {} 1]]", "1:10: expected a number, keyword"),
        ("[[:send 1 {}]]", "1:12: expected a number, keyword"),
        ("[[:poll [1]]]", "1:10: expected what was polled"),
        ("[[:poll {1}]]", "1:12: expected a vector of [OFFSET VALUE]"),
        ("[[:poll {1 [0 1]}]]", "1:14: expected [OFFSET VALUE]"),
        (
            "[[:poll {1 [[9223372036854775808 1]]}]]",
            "1:15: 9223372036854775808 is no offset: it must be from 0 to 9223372036854775807",
        ),
        ("[[:send 1 [-2 1]]]", "1:13: -2 is no offset"),
        ("[[:send 1 [1.5 1]]]", "1:13: 1.5 is no offset"),
    ] {
        // So that the columns in the cases are those of the value, and one.
        let edn = format!(" {value}");
        let column = "{:process 0 :type :ok :f :txn :value".len();
        let whole = format!("{}{edn}}}", "{:process 0 :type :ok :f :txn :value");
        let found = refused(whole.as_bytes());
        let (place, what) = expected.split_once(": ").unwrap();
        let at: usize = place.trim_start_matches("1:").parse().unwrap();
        let expected = format!("h.edn:1:{}: {what}", column + at);
        assert!(found.starts_with(&expected), "{value}: {found}");
    }
}

#[test]
fn the_two_halves_of_an_operation_must_match() {
    for (lines, expected) in [
        (
            "0 invoke send [[:send 1 10]]\n0 ok poll [[:poll]]",
            "h.edn:2:1: does not match its invocation in line 1: it is another `:f`",
        ),
        (
            "0 invoke send [[:send 1 10]]\n0 ok send []",
            "h.edn:2:1: does not match its invocation in line 1: it has fewer sends",
        ),
        (
            "0 invoke send [[:send 1 10]]\n0 ok send nil",
            "h.edn:2:1: does not match its invocation in line 1: it has no micro-operations",
        ),
        (
            "0 invoke send [[:send 1 10]]\n0 ok send [[:send 2 [0 10]]]",
            "h.edn:2:43: does not match its invocation in line 1: it sends to another key",
        ),
        (
            "0 invoke txn [[:poll]]\n0 ok txn [[:send 2 [0 10]]]",
            "h.edn:2:42: does not match its invocation in line 1: it has more sends",
        ),
        (
            "0 invoke send [[:send :k 10]]\n1 invoke send [[:send :k 10]]",
            "h.edn:2:47: 10 is sent to key :k twice: reads of it could mean either",
        ),
        (
            "0 invoke txn [[:send 1 10] [:send 1 11]]\n0 ok txn [[:send 1 [0 11]] [:send 1 [1 10]]]",
            "h.edn:2:42: 11 is sent to key 1 twice: reads of it could mean either",
        ),
    ] {
        assert_eq!(refused(history(lines).as_bytes()), expected, "{lines}");
    }
}

/// A hundred megabytes of one thing, without holding them.
fn endless(begin: &'static str, byte: u8) -> String {
    let rest = std::io::repeat(byte).take(100_000_000);
    let input = BufReader::new(begin.as_bytes().chain(rest));
    let told = import(input, "h.edn", JepsenSettings::default(), &mut |_| {});
    match told {
        Ok(summary) => format!("{:?}", summary.notes),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_too_long_or_too_deep_is_refused_before_it_is_read() {
    let long = "h.edn:1:1: one operation is longer than 16 MiB";
    assert_eq!(endless("{", b' '), long);
    assert_eq!(endless("{:error \"", b'x'), long);
    assert_eq!(endless("#", b'x'), long);
    assert_eq!(endless("#_", b'x'), long.replace("1:1", "1:3"));
    assert_eq!(
        endless("", b'['),
        "h.edn:1:2: expected an operation: a map, such as {:type :invoke, :process 0, ...}"
    );
    assert_eq!(endless("{:a", b'['), "h.edn:1:67: nested deeper than 64");
    assert_eq!(endless("", b'{'), "h.edn:1:65: nested deeper than 64");
    assert_eq!(endless("#_", b'{'), "h.edn:1:67: nested deeper than 64");
    assert_eq!(endless(";", b'x'), "[]");
    assert_eq!(endless("", b'\n'), "[]");
}

#[test]
fn the_longest_operation_is_read_and_one_byte_more_is_refused() {
    const BYTES_MAX: usize = 16 * 1024 * 1024;
    let operation = |bytes: usize| {
        let begin = "{:process 0 :type :ok :f :crash :error \"";
        let error = "x".repeat(bytes - begin.len() - 2);
        format!("\n{begin}{error}\"}} {SENT}")
    };
    assert_eq!(read(&operation(BYTES_MAX)).1.operations, 2);
    let expected = "h.edn:2:1: one operation is longer than 16 MiB";
    assert_eq!(refused(operation(BYTES_MAX + 1).as_bytes()), expected);
}

#[test]
fn the_number_of_keys_is_bounded() {
    let mut sends = String::new();
    for key in 0..=1 << 18 {
        let _ = write!(sends, "[:send {key} 0]");
    }
    let edn = format!("{{:process 0 :type :invoke :f :send :value [{sends}]}}");
    let found = refused(edn.as_bytes());
    assert!(
        found.ends_with(": there are more than 262144 keys"),
        "{found}"
    );
}

#[test]
fn an_input_that_cannot_be_read_is_said_so() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let told = import(
        BufReader::new(Broken),
        "h.edn",
        JepsenSettings::default(),
        &mut |_| {},
    );
    assert!(matches!(told, Err(JepsenError::Io { .. })));
}

#[test]
fn it_does_not_matter_in_what_pieces_bytes_arrive() {
    struct Trickle<'a>(&'a [u8]);
    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            into[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }
    let edn = format!("#_ x {SENT}\n{ACKNOWLEDGED}\n");
    let mut events = Vec::new();
    let input = BufReader::new(Trickle(edn.as_bytes()));
    import(input, "h.edn", JepsenSettings::default(), &mut |event| {
        events.push(event);
    })
    .unwrap();
    assert_eq!(events, read(&edn).0);
}
