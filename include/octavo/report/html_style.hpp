// octavo/report/html_style.hpp: the style sheet of a report's page; light and dark as the reader's system asks.
#ifndef OCTAVO_REPORT_HTML_STYLE_HPP_
#define OCTAVO_REPORT_HTML_STYLE_HPP_

#include <string_view>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

inline constexpr std::string_view kPageStyle = R"(
:root{--page:#f5f6f8;--card:#ffffff;--text:#1d232b;--soft-text:#5b6572;--line:#dfe3e8;--accent:#0068b3;
--good:#00744f;--bad:#b3261e;--good-bg:#e3f4ec;--bad-bg:#fbe9e7;--head:#eef1f4}
@media (prefers-color-scheme:dark){:root{--page:#101317;--card:#181c22;--text:#e8ebef;--soft-text:#a3adb9;
--line:#2d343d;--accent:#62b0f2;--good:#4fd6a3;--bad:#ff8a80;--good-bg:#12332a;--bad-bg:#3b1d1b;--head:#20262d}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:56px}
body{margin:0;background:var(--page);color:var(--text);line-height:1.5;
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","DejaVu Sans",sans-serif}
nav{position:sticky;top:0;z-index:2;display:flex;gap:4px 18px;overflow-x:auto;white-space:nowrap;padding:11px 24px;
background:var(--card);border-bottom:1px solid var(--line);font-size:13.5px}
nav a{color:var(--soft-text);text-decoration:none}nav a:hover{color:var(--accent)}
main{max-width:1320px;margin:0 auto;padding:28px 24px 64px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:20px;margin:44px 0 14px;letter-spacing:-.005em}
h3{font-size:15px;margin:0 0 10px}
p{margin:0 0 12px;max-width:84ch}
.lead{font-size:16px;color:var(--soft-text)}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.88em}
.card,figure{background:var(--card);border:1px solid var(--line);border-radius:10px}
figure{margin:0;padding:16px 16px 14px;min-width:0}
figure svg{display:block;width:100%;height:auto;min-width:460px}
figure svg[width="1120"]{min-width:960px}
figcaption{color:var(--soft-text);font-size:13px;margin-top:10px;max-width:100ch}
.scroll{overflow-x:auto}
.grid{display:grid;gap:16px;margin-bottom:16px}
.two{grid-template-columns:repeat(auto-fit,minmax(min(100%,500px),1fr))}
.tiles{grid-template-columns:repeat(auto-fit,minmax(min(100%,210px),1fr));margin:22px 0 8px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:27px;line-height:1.15;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.tile span{display:block;margin-top:3px;font-weight:600;font-size:13.5px}
.tile small{display:block;color:var(--soft-text);font-size:12.5px;margin-top:2px}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:5px 18px;margin:18px 0 0;font-size:13.5px}
dl.facts dt{color:var(--soft-text)}dl.facts dd{margin:0;min-width:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:7px 9px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap;font-weight:400}
thead th{white-space:normal;background:var(--head);color:var(--soft-text);font-size:12px;font-weight:600;vertical-align:bottom}
tbody tr:last-child>*{border-bottom:0}
tbody tr:hover>*{background:var(--head)}
tbody th{position:sticky;left:0;background:var(--card)}
td:last-child{white-space:normal;min-width:120px;overflow-wrap:anywhere}
.num{text-align:right}.best{font-weight:700}
thead th:first-child{border-top-left-radius:10px}thead th:last-child{border-top-right-radius:10px}
details{overflow:hidden}summary{cursor:pointer;padding:12px 16px;font-weight:600;font-size:14px}
details[open] summary{border-bottom:1px solid var(--line)}
.chip{display:inline-block;padding:1px 9px;border-radius:99px;font-size:12px;font-weight:600}
.yes{background:var(--good-bg);color:var(--good)}.no{background:var(--bad-bg);color:var(--bad)}
.photos{grid-template-columns:repeat(auto-fill,minmax(170px,1fr))}
.photo{background:var(--card);border:1px solid var(--line);border-radius:10px;overflow:hidden;font-size:12.5px}
.photo img{display:block;width:100%;aspect-ratio:1;object-fit:cover;background:#000}
.photo.pixels img{image-rendering:pixelated}
.photo div{padding:9px 11px 11px}
.photo .truth{font-weight:700;font-size:13.5px;display:block;margin-bottom:4px}
.answer{display:grid;grid-template-columns:1.1em 1fr auto;gap:0 5px;align-items:baseline}
.answer small{grid-column:2/4;color:var(--soft-text);font-size:11px;margin:-2px 0 3px;
font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.right{color:var(--good)}.wrong{color:var(--bad)}
ul{padding-left:20px;max-width:92ch}li{margin:5px 0}
@media print{nav{display:none}body{background:#fff}figure,.card,.tile,.photo{break-inside:avoid}}
)";

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_HTML_STYLE_HPP_
