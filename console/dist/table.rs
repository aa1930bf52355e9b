// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-2c15f030b5e3.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "2c15f030b5e3d085734e2ea522ed9ffda484ccfe655a8a11c084b1d4d1d30957",
        is_named_by_content: true,
        plain: include_bytes!("console-2c15f030b5e3.js"),
        brotli: include_bytes!("console-2c15f030b5e3.js.br"),
    },
    Asset {
        path: "console-855538528f47.css",
        media_type: "text/css; charset=utf-8",
        sha256: "855538528f472e9fe7f164dc1eaa26adf73f8004de438ad66f9b6a81b5fa3db2",
        is_named_by_content: true,
        plain: include_bytes!("console-855538528f47.css"),
        brotli: include_bytes!("console-855538528f47.css.br"),
    },
    Asset {
        path: "icon-784a4185d243.svg",
        media_type: "image/svg+xml",
        sha256: "784a4185d2436f82faab3c035c49a66a804c8baa0ac2c7259288ba24cc4bba5a",
        is_named_by_content: true,
        plain: include_bytes!("icon-784a4185d243.svg"),
        brotli: include_bytes!("icon-784a4185d243.svg.br"),
    },
    Asset {
        path: "licences-3484ec557e71.txt",
        media_type: "text/plain; charset=utf-8",
        sha256: "3484ec557e71cbf551f9809541abcb507a8075135a0550de419528fb49105c29",
        is_named_by_content: true,
        plain: include_bytes!("licences-3484ec557e71.txt"),
        brotli: include_bytes!("licences-3484ec557e71.txt.br"),
    },
    Asset {
        path: "index.html",
        media_type: "text/html; charset=utf-8",
        sha256: "6ffe44c0d88cdd6b9c0ca0e23736bd23c8ca295c40743c8b7a21d41122747917",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
