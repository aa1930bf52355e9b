// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-27babc31a10a.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "27babc31a10a5a7018e7bbfdf24808e12d2fa6abb4a3c0e5eeeae7830575b752",
        is_named_by_content: true,
        plain: include_bytes!("console-27babc31a10a.js"),
        brotli: include_bytes!("console-27babc31a10a.js.br"),
    },
    Asset {
        path: "console-96818246b6b9.css",
        media_type: "text/css; charset=utf-8",
        sha256: "96818246b6b9434a206837246ca4fa6ed6cb9359700ae1797dfc310caa5f1af1",
        is_named_by_content: true,
        plain: include_bytes!("console-96818246b6b9.css"),
        brotli: include_bytes!("console-96818246b6b9.css.br"),
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
        sha256: "e813c5a04cd60f19539916bfb89138c7b57e3e1d1e8b935ed378ea4623eea79d",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
