// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-47dd319fbaf7.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "47dd319fbaf714c4879f032808a6e65cad5ae647c31d2e85076d9c808566a1ef",
        is_named_by_content: true,
        plain: include_bytes!("console-47dd319fbaf7.js"),
        brotli: include_bytes!("console-47dd319fbaf7.js.br"),
    },
    Asset {
        path: "console-31df610a8cad.css",
        media_type: "text/css; charset=utf-8",
        sha256: "31df610a8cad375c8f2879910aec9e1ec9c853945409e62aebe6f1fd6a61e746",
        is_named_by_content: true,
        plain: include_bytes!("console-31df610a8cad.css"),
        brotli: include_bytes!("console-31df610a8cad.css.br"),
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
        sha256: "26d4d56143bc69b99aa220ce59618e93e3242366f5bf2b6c9f43a0b0ba2c56ea",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
