//! Files that are not what they should be, and folders of them.

use super::*;

#[test]
fn syntax_errors_do_not_hide_other_problems_or_cause_them() {
    let text = "version = 1\nareas = [\"general\"]\n[[route]]\nname = x\nprefix = \"/a\"\n\
                areaa = \"general\"\nupstream = vault\n[role.a]\nbypass = 1\n[role.a]\n[rle.b]\n";
    insta::assert_snapshot!(told(&folder(&[("policy.toml", text.as_bytes())])));
}

#[test]
fn bad_files_are_told_with_the_way_out() {
    let cases: &[(&str, Listing<'_>)] = &[
        ("policy missing", &[]),
        ("policy empty", &[("policy.toml", b" \n")]),
        ("policy only a comment", &[("policy.toml", b"# nothing\n")]),
        ("policy not UTF-8", &[("policy.toml", b"version = 1\n# \xc3\xbc\xff\n")]),
        ("policy of another version", &[("policy.toml", b"version = 2\nfuture = 1\n")]),
        ("policy version with a typo", &[("policy.toml", b"verson = 1\n")]),
        ("policy version is a text", &[("policy.toml", b"version = \"1\"\n")]),
        ("settings empty", &[("sidegate.toml", b"")]),
        ("settings not UTF-8", &[("sidegate.toml", b"\xff")]),
        ("settings without upstream", &[("sidegate.toml", b"workers = 1\n")]),
        ("settings too large", &[("sidegate.toml", &[b'#'; (1 << 20) + 1])]),
        ("settings half-written", &[("sidegate.toml", b"[upstream.vault]\nurls = [\"http://1")]),
        ("settings with a typo", &[("sidegate.toml", b"polcy = \"p.toml\"\n[upstrem.a]\n")]),
        ("empty directory", &[("sidegate.toml", b"policy = \"p\"\n"), ("p/README", b"")]),
        (
            "one port twice",
            &[("sidegate.toml", b"[listen]\naddress=\"[::]:1\"\n[admin]\naddress=\"[::1]:1\"\n")],
        ),
    ];
    let mut out = String::new();
    for (name, files) in cases {
        out.push_str(&format!("--- {name}\n{}", told(&folder(files))));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn what_is_no_file_is_told() {
    let folder = folder(&[("policy.toml/x/y", b"")]);
    assert!(told(&folder).contains("no `*.toml` file in this directory"));
    let report = read(folder.path()).unwrap_err();
    assert!(report.to_string().ends_with("is a directory — name a file\n"), "{report}");
    let report = read(Path::new("/dev/null")).unwrap_err();
    assert_eq!(report.to_string(), "/dev/null: is not a regular file — name a file\n");
}

#[test]
fn a_policy_file_of_more_than_16_mib_is_not_read() {
    let folder = folder(&[]);
    let policy = fs::File::create(folder.path().join("policy.toml")).unwrap();
    policy.set_len((16 << 20) + 1).unwrap();
    let expected = "policy.toml: is larger than 16 MiB — a policy can be a directory of smaller \
                    files\n";
    assert_eq!(told(&folder), expected);
}

#[test]
fn a_directory_is_read_as_one_in_the_order_of_names() {
    let route = |prefix: &str| {
        format!(
            "version = 1\n[[route]]\nprefix = \"{prefix}\"\npublic = true\nupstream = \"vault\"\n"
        )
    };
    let (one, two) = (route("/1"), route("/2"));
    let folder = folder(&[
        ("p/20.toml", two.as_bytes()),
        ("p/.hidden.toml", b"broken"),
        ("p/..data/10.toml", one.as_bytes()),
        ("p/notes.txt", b"broken"),
    ]);
    let link = folder.path().join("p/10.toml");
    std::os::unix::fs::symlink("..data/10.toml", link).unwrap();
    let (draft, problems) = draft_of(folder.path().join("p"));
    let prefixes: Vec<_> = draft.routes.iter().map(|route| route.prefix.value.as_str()).collect();
    assert_eq!((prefixes, problems), (vec!["/1", "/2"], vec![]));
}

#[test]
fn a_table_in_two_files_is_told_with_both_places() {
    let one = "version = 1\nareas = [\"a\"]\nhide_none = true\n[role.a]\n[product.a]\n\
               [account.a]\n[workspace.a]\nenvironment = \"e\"\n";
    let two = format!("{one}[role.b]\n");
    let folder = folder(&[
        ("sidegate.toml", format!("policy = \"p\"\n{SETTINGS}").as_bytes()),
        ("p/1.toml", one.as_bytes()),
        ("p/2.toml", two.as_bytes()),
        ("p/3.toml", b"[role.c]\n"),
    ]);
    insta::assert_snapshot!(told(&folder));
}
