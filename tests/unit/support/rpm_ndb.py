# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Packages.db (ndb backend) written by rpm itself.

Debian's rpm has no ndb backend, so a copy is kept here. It was made with rpm 4.18.0, configured with --enable-ndb: the packages of rpm_made.SPEC
called gone (5 files), demo (epoch 2, 3 files) and plain (300 files) were installed in this order with

    rpm --define "_db_backend ndb" -i --justdb --nodeps

and gone was erased again.
"""

from __future__ import annotations

import base64
import lzma

PACKAGES_DB = lzma.decompress(base64.b85decode((
    "{Wp48S^xk9=GL@E0stWa8~^|S5YJf5;NR~D?p**W90{cc!uvOH2`{yQMBagkf~13!Dz^}Pj9l_@o~|T2J}NhgJ}5X+O%c59-49)oHIK<d*Z3~PuIERC-}1+o02EfhtIY^G)({2|g({*I"
    "ic6}neNgaP&-_+eDPJW;<oJ}%^_WhPycDY((%KVP{JH=AaJ0A8I)>vBoy<(OR@SzB-!Z#Jc=E(C_u>f@1jwHJ*yNlo_jZ56dD6#d7p4Hq^u3%X!M=O6+keos1aevA_DXM*=y-hHebQ*("
    "RZ0Hd!@W1(C2Bu!^kqZV?o|1;Nk8$8aJY<H^*wEZ&r9FL-r+5F5}%<l)FbQO?pn*WRX(u-*x)oUo$WUE7kZ?oZKPz7K76y(UxWPQHA8x2_&~O3f<y>Y1iwrg2nNbLrA4$f+OesX_xvqi"
    "n?fg`dRl<5lUL(3iZ6D)8NLXzzrv9;JS9a!F{z;8RJp864XXZfOt7l($#X->O&x+MWW|M|5t?Fv(Kx-NvrttdkQ^)vxgh1XmdVKMSb3P>=0?H9=YYz=3@&_<(iHxY*5Qx0?6Ks87zEwg"
    "m>UVc^(q?cd@&RK(wSqD2CZF<upF*pin0e<7W7MlN=dp?OQlJZCNXRA&R!4R6HdYS)SQPV7i8179+t-SB;QZ^yj_i0C#c=%QUtKR|MH`d!E4-(9h$38LO1ah(kjDtP>zsGkSMX=MidWQ"
    "57TY=V2)ut+^3oP7<_ahsZWi#*u*jkL4(KJcX^k%RvH5A&u$^#r#cPsr`~*1>{%LY0JaPM?P8MCP?sW~+LVrq-2lcQp;JtI8SfS#GI7p48|6hgj_8LUiu>PSuUo)s^GyQWxuwbwecef%"
    "#Dim32w`Gn^nCkZwVzVxNksXCMiOeQ8nzgDT?7t$5?ZuwGCc@S2mEe>D1q5{gR4Y?+->oYXDi}v$T8#I(AoZJMY4K$+}ri*fNnDzy(JBD=?kzog-NQu>+uoJ_{B4dIR<XRqesy1sEm+w"
    "7$_zU>!3%9Xjv}L_h|_zbb}lep3eRwDee67)P1~xjC292w&qz7P8u}i;t4BCCzUtcf*n^u?PgEJ=qfOLjFd2kaouN`<90O4{U25S`42c@#DE=vs2|CT+nqlCT;6LlmIoaFnHDbEe`gz?"
    "IiZj&`=LeAXPuCJewU8v*16Rf&ib%+<Hm7Jac-EXN5_@&QVx2sk>z_@krzoo34zQvz(8eBNf3shAwbHo(}hr0+3h9`Oges1)V+=9z-#5h+3O=md53GTMD}PQ5Jq|Yek-u%&6j7^%g_|%"
    "WV+aD5jESZS4AvXgh>DWNX`E6sY~*N;cz+3j%kmny;p67oWa8*nQ6i$H<F#&*8{mSi|?-)V|VoWHeK~8K3Xf&F#8rgAGaRqbYPlU+_&aStPz45P?ZNo>_y@!QVLG;oS6fv?PicqNXW!1"
    "Y$31EsAd=gL@OaOa1#fUH_SL@^M{%+4crBLG=lr^(bwAPhKl2Lj(O{DDO}QBa3Mc`XJyK%d;XNYvZ83GAM@Cz#pXX^GPi@~IzDsiIr^@gJNry|Lz6XND*c9x5J3AW09$F$Wiom*@n}jh"
    "gn{{8b{fGCd#p{py47C~K=$MpXY`#W10rn7E#)&Iq1y%%{`X5_)-ox}!xOsZ>p@OQSnv$=B<0E-FLrhoDG7unV)$ivzoGRxQ+1@U^jBfveZKoprA4r=Qd*5zpjj=~&YW3QG#f0MjIZ8p"
    "Vhx<J;?$Y*P*};tKk04WAeFXHk-f32H%j1%aSf~sxH))%7E|)LMG~fJRzKmAd;W3gcgH2j>WuUXB%D?)RdHoOxNAsy5{RhQQR{?aJWwgbCq!eD2v&2Fzxm}5^o-RS-j-kmMPi@mXWGUb"
    "s<N+UFvG4YylMp5JZ|}-3^AY2+RAhQMqc9**kpH8mdz5q=tg&9n+(lS=+G{rTAiKLU#W~=2{{8Mqsg#fwy#s`WfOIz-yM9&W6b$Vu|75t_ergr_x#ME@C4*urk2H!G=$#D$i%s{OZ_VN"
    "iBiSQ8LSr2haSi>u)~M7e<Fy1xTSKxmHR^m(p>Rsgn_C6i|XS5q@Xnytyd69lGo<^F5RW`gP8Ei)U&X4jLD9EOL76HU$+M*6Gs{KD7JM+8s`Ku%{_LP?IYdb_CvS9*gW}@*tZWHrX2Y;"
    "8{y6uZ!qQ|Sk9p_j)etM&G1GxjYR;{Ol9_O#B$_@up=*6peo3R?Cy<5@HCbX1E5MY1fF%ogNV$5b}#vQxS0^&rn9_>scGb|r6IopesDG8dzKs(!o~=4_EV-L5I?A+^1b`}7Z@c|HN&Oo"
    "_ES_*pAx5CC{moD^FzHw4MIB|DmG1DCWnNA;V!904Oc{O2+$Li=#%>sbTf5Vv5;_u-J#^+S80WVL2-P#T3fp2<~m|<-~l=mipu-pum^dCr=Y9a29u<I+M%V}0LLlRj%AL3Fwa*)o6e_="
    "dPjRZ4UQ^Q1=ed~<Hx)4R4;QATD9J92Em3T&jAmc>kl+GACGo$TxbAjIFpQu00TG&$E(>II1vhF<aa{cBLFZYrDqiNQC{mX{{+3#T2-~1G}_mlkC;KJy?1#ntXtcvIeYLjln5l^#4z)K"
    "0z&T!9y<C1Y-nn?!G3oWO$Q?)7hJj3(fBcY#eftUU*&jMpwS-pQW+s3d;kCd!-b4Jn1hCX00D{+@V^59sEF5pvBYQl0ssI200dcD")))
