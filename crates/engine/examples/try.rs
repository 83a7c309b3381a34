fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "subject" {
        subject::run().unwrap();
        return;
    }
    let rt = tokio::runtime::Runtime::new().unwrap();
    rt.block_on(async {
        let scenarios: Vec<_> = args[3..]
            .iter()
            .map(|n| {
                let text = model::scenario::embedded(n)
                    .map(str::to_owned)
                    .unwrap_or_else(|| std::fs::read_to_string(n).unwrap());
                model::scenario::parse(n, &text).unwrap_or_else(|e| panic!("{e}"))
            })
            .collect();
        let run = model::ids::RunId::new(
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_nanos() as u64,
        );
        let plan = model::plan::RunPlan::new(
            run,
            args[2].parse().unwrap(),
            Default::default(),
            &scenarios,
            1,
        );
        let cache = stack::cache::Cache::user().unwrap();
        let java = stack::java::find_java().unwrap();
        let mut versions = stack::artefacts::Versions::default();
        if let Ok(d) = std::env::var("DBZ") {
            versions.debezium = d;
        }
        let request = stack::artefacts::ArtefactRequest {
            versions,
            kafka_home: None,
            parts: stack::artefacts::Parts::KafkaAndCdc,
        };
        let artefacts =
            stack::artefacts::fetch(&cache, &request, &mut |p| eprintln!("{p:?}")).unwrap();
        let archives = stack::archive::Archives::find(&cache, &artefacts, &java);
        let out = std::path::PathBuf::from(format!("/tmp/try/{}", std::process::id()));
        std::fs::create_dir_all(&out).unwrap();
        std::fs::write(out.join("plan.json"), serde_json::to_string(&plan).unwrap()).unwrap();
        let settings = engine::Settings {
            out: out.clone(),
            jobs: std::num::NonZeroUsize::new(
                std::env::var("JOBS")
                    .ok()
                    .and_then(|j| j.parse().ok())
                    .unwrap_or(4),
            )
            .unwrap(),
            subject: std::env::current_exe().unwrap(),
            embedded: engine::Embedded {
                artefacts,
                java,
                archives,
            },
        };
        let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
        let (_itx, irx) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            while let Some(p) = rx.recv().await {
                let p: engine::progress::Progress = p;
                if !matches!(p.what, engine::progress::Step::Counts(_)) {
                    eprintln!("{:?}", p);
                }
            }
        });
        let t = std::time::Instant::now();
        let ends = engine::run(&plan, &settings, &tx, irx).await;
        for (e, p) in ends.iter().zip(&plan.scenarios) {
            println!("== {} {e:?}", p.scenario.name);
            let reader =
                history::Reader::open(&out.join(p.folder()).join(history::FILE_NAME)).unwrap();
            let mut c = checker::Checker::new();
            let mut n = 0;
            for ev in reader {
                c.observe(&ev.unwrap());
                n += 1;
            }
            let analysis = c.finish();
            let v = checker::judge(&p.contract(), &p.scenario.name, 1, &analysis, vec![]);
            println!("{n} events, {} {:?}", v.verdict, t.elapsed());
            for g in &v.guarantees {
                println!("   {} {:?} {}: {}", g.claim, g.level, g.verdict, g.reason);
            }
            for f in &v.findings {
                println!(
                    "   finding {} {} {:?}",
                    f.anomaly,
                    f.count,
                    f.named.iter().take(5).collect::<Vec<_>>()
                );
            }
            for f in &v.faults {
                println!(
                    "   fault {} landed {} {:?} {:?}",
                    f.kind, f.landed, f.injected_ms, f.healed_ms
                );
                for e in &f.evidence {
                    println!("      {:?} {}: {}", e.found, e.what, e.detail);
                }
            }
            println!(
                "   {:?}\n   {:?}\n   {:?}",
                v.counts, v.doubts, v.measurements
            );
        }
        println!("{}", out.display());
    });
}
