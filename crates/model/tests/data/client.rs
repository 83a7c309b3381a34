//! Clients' names, and clients in place of a scenario's own.

use model::claim::Level;
use model::scenario::client::{ChosenClients, ClientSpec, ClientSpecError, Release};
use model::scenario::{Scenario, embedded, parse};

fn with(name: &str, producers: &str, consumers: &str) -> Scenario {
    let mut scenario = parse(name, embedded(name).unwrap()).unwrap();
    scenario.put_in_force(&ChosenClients {
        producers: Some(producers.parse().unwrap()),
        consumers: Some(consumers.parse().unwrap()),
    });
    scenario
}

#[test]
fn a_chosen_client_is_in_force_with_its_own_settings_and_what_is_expected_of_it() {
    let key = "librdkafka.queued.min.messages";
    let of = |client: &str| {
        with("zombie-fenced", client, client).groups[0]
            .config
            .clone()
    };
    assert!(of("librdkafka:1.8.2").contains_key(key));
    assert!(!of("java").contains_key(key));
    assert!(of("java").contains_key("session.timeout.ms"));

    let level = |producers: &str, consumers: &str| {
        let scenario = with("in-flight-1-no-idempotence", producers, consumers);
        assert_eq!(scenario.producers[0].client.to_string(), producers);
        scenario.guarantees[0].level
    };
    // Who reads decides nothing about the order of sending.
    assert_eq!(level("librdkafka", "java"), Level::ExpectViolated);
    assert_eq!(level("java:3.1.0", "librdkafka"), Level::Required);
    assert_eq!(level("command:x", "java"), Level::ExpectViolated);
}

#[test]
fn a_scenario_about_a_client_runs_with_no_other() {
    let text = embedded("answer-lost-idempotence").unwrap();
    let text = format!("about_client = \"KAFKA-1\"\n{text}");
    let scenario = parse("x", &text).unwrap();
    let misfits =
        |spec: &str| scenario.misfits_clients(&ChosenClients::all(&spec.parse().unwrap()));
    assert_eq!(misfits("librdkafka"), [""; 0]);
    assert_eq!(misfits("java"), ["is about librdkafka (KAFKA-1)"]);
    assert!(
        scenario
            .misfits_clients(&ChosenClients::default())
            .is_empty()
    );
}

#[test]
fn every_form_is_read_and_written_again() {
    let version = |it: &str| Release::Version(it.to_owned());
    for (text, spec) in [
        ("librdkafka", ClientSpec::BuiltIn),
        ("librdkafka:1.8.2", ClientSpec::Librdkafka(version("1.8.2"))),
        (
            "librdkafka:/opt/librdkafka.so.1",
            ClientSpec::Librdkafka(Release::Path("/opt/librdkafka.so.1".into())),
        ),
        ("java", ClientSpec::JavaOfBrokers),
        ("java:3.1.0", ClientSpec::Java(version("3.1.0"))),
        ("java:4.3.0-rc1", ClientSpec::Java(version("4.3.0-rc1"))),
        (
            "java:./jars",
            ClientSpec::Java(Release::Path("./jars".into())),
        ),
        (
            "command:python3 -u subject.py",
            ClientSpec::Command(["python3", "-u", "subject.py"].map(str::to_owned).into()),
        ),
    ] {
        assert_eq!(text.parse(), Ok(spec.clone()));
        assert_eq!(spec.to_string(), text);
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ClientSpec>(&json).unwrap(), spec);
    }
    assert_eq!("java:v3.1.0".parse(), "java:3.1.0".parse::<ClientSpec>());
}

#[test]
fn what_is_no_client_is_told_with_what_may_have_been_meant() {
    let told = |text: &str| text.parse::<ClientSpec>().unwrap_err().to_string();
    for (given, meant) in [
        ("libdrkafka", "librdkafka"),
        ("libdrkafka:1.8.2", "librdkafka:1.8.2"),
        ("rdkafka", "librdkafka"),
        ("Java", "java"),
        ("kafka-clients:3.1.0", "java:3.1.0"),
        ("java-3.1.0", "java:3.1.0"),
        ("librdkafka@1.8.2", "librdkafka:1.8.2"),
        ("./subject.py", "command:./subject.py"),
    ] {
        let start = format!("there is no client `{given}`; did you mean `{meant}`? ");
        assert!(told(given).starts_with(&start), "{}", told(given));
    }
    assert_eq!(
        told("sarama"),
        "there is no client `sarama`: a client is `librdkafka`, `librdkafka:VERSION`, \
         `librdkafka:/PATH.so`, `java`, `java:VERSION`, `java:/FOLDER` or `command:PROGRAM ARGS…`"
    );
    assert_eq!(
        told("java:newest"),
        "`newest` is no version of java: write one such as `java:3.1.0`, or a path with a \
         `/`, such as `java:./jars`"
    );
    for none in ["java:", "librdkafka:", "java:3", "java:3..1", "java:3.1.0-"] {
        assert!(told(none).contains("is no version of"), "{none}");
    }
    assert_eq!(told("command: "), ClientSpecError::NoProgram.to_string());
}
