//! Fetching from a repository that is a directory: curl reads `file://` too.

use super::*;

struct Repository {
    directory: tempfile::TempDir,
    jars: Vec<Jar>,
}

impl Repository {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let jars = ["one", "two", "three"]
            .map(|artifact| {
                let content = artifact.repeat(20_000);
                let mut jar = Jar {
                    group: "org.example".to_owned(),
                    artifact: artifact.to_owned(),
                    version: "1.0".to_owned(),
                    bytes: content.len() as u64,
                    sha256: String::new(),
                };
                let path = directory.path().join(jar.url("").trim_start_matches('/'));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, content).unwrap();
                jar.sha256 = sum(&path).unwrap();
                jar
            })
            .into();
        Self { directory, jars }
    }

    fn url(&self) -> String {
        format!("file://{}", self.directory.path().display())
    }

    fn original(&self, jar: &Jar) -> std::path::PathBuf {
        let relative = jar.url("");
        self.directory.path().join(relative.trim_start_matches('/'))
    }
}

fn assert_whole(repository: &Repository, cache: &Path) {
    for jar in &repository.jars {
        let got = fs::read(cache.join(jar.file_name())).unwrap();
        assert_eq!(got, fs::read(repository.original(jar)).unwrap());
    }
    assert!(missing(&repository.jars, cache).is_empty());
}

#[test]
fn what_is_missing_or_damaged_is_fetched_and_nothing_else() {
    let repository = Repository::new();
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().join("kafka");
    ensure_jars(&repository.jars, &cache, &repository.url()).unwrap();
    assert_whole(&repository, &cache);
    // One flipped bit, same size; and a cut file.
    let [one, two, three] = [0, 1, 2].map(|index| cache.join(repository.jars[index].file_name()));
    let mut content = fs::read(&one).unwrap();
    content[30_000] ^= 1;
    fs::write(&one, content).unwrap();
    fs::write(&two, "cut").unwrap();
    // The third is whole, so it is not asked for.
    fs::remove_file(repository.original(&repository.jars[2])).unwrap();
    ensure_jars(&repository.jars, &cache, &repository.url()).unwrap();
    assert!(three.exists());
    assert!(missing(&repository.jars, &cache).is_empty());
    // Whole again, so the repository is not needed at all.
    ensure_jars(&repository.jars, &cache, "file:///nowhere").unwrap();
}

#[test]
fn a_fetch_that_was_cut_goes_on() {
    let repository = Repository::new();
    let cache = tempfile::tempdir().unwrap();
    let [one, two, _] = [0, 1, 2].map(|index| repository.jars[index].file_name());
    // The right beginning is kept; a wrong one is found out and fetched whole.
    let begun = &fs::read(repository.original(&repository.jars[0])).unwrap()[..25_000];
    fs::write(cache.path().join(format!("{one}.partial")), begun).unwrap();
    fs::write(
        cache.path().join(format!("{two}.partial")),
        "something else",
    )
    .unwrap();
    ensure_jars(&repository.jars, cache.path(), &repository.url()).unwrap();
    assert_whole(&repository, cache.path());
    let left: Vec<_> = fs::read_dir(cache.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_the_repository_changed_is_refused() {
    let repository = Repository::new();
    let cache = tempfile::tempdir().unwrap();
    let changed = repository.original(&repository.jars[1]);
    fs::write(&changed, "x".repeat(70_000)).unwrap();
    let error = ensure_jars(&repository.jars, cache.path(), &repository.url())
        .unwrap_err()
        .to_string();
    for part in ["two-1.0.jar", MIRROR, &repository.jars[1].sha256] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!cache.path().join("two-1.0.jar").exists());
    fs::remove_file(&changed).unwrap();
    let gone = ensure_jars(&repository.jars, cache.path(), &repository.url()).unwrap_err();
    assert!(gone.to_string().contains(MIRROR), "{gone}");
}

#[test]
fn two_fetchers_at_once_are_safe() {
    let repository = Repository::new();
    let cache = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                ensure_jars(&repository.jars, cache.path(), &repository.url()).unwrap();
            });
        }
    });
    assert_whole(&repository, cache.path());
}
