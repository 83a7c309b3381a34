//! The definitions of anomalies are complete, and their names unique.

use model::anomaly::Anomaly;

#[test]
fn every_definition_says_everything() {
    for anomaly in Anomaly::ALL {
        let of = anomaly.definition();
        let texts = [of.name, of.meaning, of.definition, of.history, of.twin];
        assert!(
            texts.iter().all(|text| !text.trim().is_empty()),
            "{anomaly}"
        );
        assert!(
            of.meaning.ends_with('.') && of.definition.ends_with('.'),
            "{anomaly}"
        );
        assert!(!of.permitted_by.is_empty(), "{anomaly}");
        assert!(!of.prevented_by.is_empty(), "{anomaly}");
        assert_ne!(of.history, of.twin, "{anomaly}");
        let facts = of.permitted_by.iter().chain(of.prevented_by);
        for fact in facts {
            assert!(fact.what.ends_with('.'), "{anomaly}: {}", fact.what);
            assert!(!fact.source.is_empty(), "{anomaly}: {}", fact.what);
        }
    }
}

#[test]
fn a_name_is_one_anomalys_and_survives_writing_down() {
    for anomaly in Anomaly::ALL {
        assert_eq!(Anomaly::named(anomaly.name()), Some(*anomaly));
        let text = serde_json::to_string(anomaly).unwrap();
        assert_eq!(text, format!("\"{anomaly}\""));
        assert_eq!(serde_json::from_str::<Anomaly>(&text).unwrap(), *anomaly);
    }
    assert!(serde_json::from_str::<Anomaly>("\"lost\"").is_err());
}
