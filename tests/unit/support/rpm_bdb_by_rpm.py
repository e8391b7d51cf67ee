# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Packages file (Berkeley DB) written by rpm itself.

The rpm of Debian 12 has no backend that writes one, so a copy is kept here. It was made with rpm 4.16.1.2 of Debian 11: the packages of rpm_made.SPEC called
gone (5 files), demo (epoch 2, 3 files) and plain (300 files) were installed in this order with

    rpm --define "_db_backend bdb" -i --justdb --nodeps

and gone was erased again.
"""

from __future__ import annotations

import base64
import lzma

PACKAGES = lzma.decompress(base64.b85decode((
    "{Wp48S^xk9=GL@E0stWa8~^|S5YJf5;Sc``HC+GzXnvj`@z<BJkC=1$QW~R8ElIakt>SQ!tb}h#?^4sm>RVn=QVD8S(xxBjh%R06x<sEcX9n$|T8ZWE3WFR^(aI>Dh?+Y5sR{^hVl8N9C3aFKG2ASl"
    "vNuob*K6LWE0sY*Mup{n!hc~fRJv8;MSsC()6aGJ#{ow+fiCT45*>m)f|x?30M%`S^eG7$`3(N|xgzB8_fOgCNaHq@m~183yKfH`EARB=PT|JsV|5%!T!9dV-EJ|E1}c$fzZi474ayT&s~XEc)5-e8"
    "U*2SJrt>EVVC|H%A?C*JIY89NAlyzI20?3zT^~bIvitI0>LH7Hzz|Q#nC&wcNx1OjA*@_$(t%AjKHQhVhdVK0MKp)Mf^Mcq^ht*(eF{C@d-yrMF!UbhgajdDBQ96H$OX233(T+rel0xn=atQkV#)4`"
    "{96jDkHY8;MY&&dabW<*05soO^RRY}Kd|>Og);B_C=LU$sFrjT(72*?d{*4csI9qham-dx<#Pn`Pj2#?M74k||4$MqSGn1op`E-(WmhoMFYNF#pa?Sj8I7(k0YMaPi%!uaSz3V|-MZ=uh&X}YHaW{&"
    "n82hAskRhm#Spj>7qPaHq+s94!?we_7V@Y~F{c2w%Lruk_ExvfoTCh0cRCTsD+^Dt0JEr1V^-Jljg@ZgXYLxpd^|`ps@tZFgH_;9?6c1sRTaO4C2?}aFvWb|!dN)C3^Zp{;g5_8v+xkPXS+}CE#DLQ"
    "es_vSJ^VZEi}xKRb~bp#H_?C-RYy&0avsLBIBj4-uKr{O$#*q)ZRQm26Zc9H(dGo7@L`U}Esn5kxd!Qhv?)HaGDPPzMl1W79Um?@id|?3PPFjuNi8=hDTCzLbgCT}s(3iwDMtSSWuMlY(2^@)^S9q;"
    "6C_q_l)}9YdTf;tfgoBhpCh^xkrTmMV!FBU$BS<Ln4_<re#!f<X3ZZwZJf3{M6m#}(Qlvx>E4K9vc!)SfSkqjlxgldF<B;*=<Hr1->^b@xv1@6MJ3<>(-_oAF~`nzeW2wSrOS|*PaSkr^+aYhm`yy9"
    "40O2^fB%I{5Ks7cwqH%D2@~ilBqWtNn|@_e{W@n0<knmm*(V79dX!a15bmH1k11SQj!gHL&*virEw1thGVMlSV63NXbRuJ}_boZ5ZrG_wqw{%471Ag1Zu3emee4c%*`<n`V{px4i$`lr;D{h-(`6@L"
    "^|ih4nh;6WI25|SG?P-kPLSlAfCZ*g>JryB$idLQi4<YThjEA_j{6k2`jmP~)@n<1G&ABT<#%&HW@gNd#(B<&EEBUQ$*D|M&>M&LBB$^yO&=lRl&(y<=mJf5<b3`&xIa7%#|h<IsQ}*a=B2e`W(1p}"
    "_wss~3u$K;8(2D=7SD`iu<<?-Rfs1lQKB^RClsOugC-G0)8&rVUxgJpT6<T$Rgp(yn(D26F{+AJ(eWyVqb&kKZ6;DSZ%^-6e4!$gu)`%xxiHjHCs%C*pfvTdZL7gaP!6YV{~o2=mP`4;xK97?PQI1+"
    ">t<;I^LGDG3xylT%Rl7yjR4K}E-@#WC(<LuC7eTCY?FPE;r6i7Dc#k7M~dodNerp6TQ*3cs&BDWqO>Wx$or)5#50CG5KqPG_0IqO>Xr$Le;PaFbnWOoCYkkX^#!19_n$P-->~uQGeV&Cm$4#6QEYQd"
    "fWp}ADLiu=ziOnmu|sP7MSa{z?+}O~(Kee$kaXj5=_h0l2O;dFn@te*ij1%S(WPGGQeJrdqo@1Gl4x$UJyai_Lg0<<k(GNmWRiccy@`V_=2uUzie#IEG``^#;#dQD?M9@QFd!Xa6R>rV*17nVC)J3?"
    "f={KqEQ5U(T-zuh(UZyzK(d(2?H=%4XEw(C%qRmeZX{?_gP{)iogt0?`#>95<e3-IkuLIG`lIG^#huSWP8U8ao*4l`Sm8NrEQ%t}E^`C3TE}25`s``V_I23e=ws^JT1?8xphY3c@95O$N>6E&XZf(L"
    "n$EJphIJtZgS#5$4K4!jP~S|ns!7KIz|@l{6daDRo}l>Ix$}o#$>%i)pHh%hJ|zOE<L)d~tD?_jBg`SUR7c1yO*o#17lEMO7)3k3aU9T$ZErRmo7pO6=`!&gac$F%d~K4%0kto6<kVe9qGVaYPP+qu"
    "!{vf0gmmJ8_A<8wSsKTOXTb^+jCwE-R^qLH0t?ZW#?KYT3cu12*!L&@IfU-^Ziu+y&D8Zz0*gt5^&z{d#}vE@cPGlY&&yRamv!wST}5KLxumGwAD+nW#W}??MPz-TXi(^l4(<F?3f56;Rr(MN3f)Iz"
    "h2FnSASCspb2wRDAL>wQizZuIer$Q)PiMklhkoziPOU;^yIWk{!pd-d1FV!$B6UehRB<uAk9vhhn^Y#+Z>g&$N|urX&6uMC54qbilw`gvuz<4Lvm}OUgD7S03E9doQ1(EOc1Ff!c6!h!dyk&{3g<Lg"
    "1ic}vYxtGhG5R(B>6~NW)}XHuW=%6@K~rW6#7(jvHxLfMJ!QRFdFpW{v<~{UOQetXb~?gU1ra<-i*5i;b)z7Z8w6g0Qr+!|rM8=APjXP3UqIR3*+<Kn=c<Ui70R=7mmNC2JyYf`PSh2A)r5NmZss;z"
    "sqY3XNZxRKi3x!B^^5=PUkKX`Oi`D1OjnG*=*+vr@(n-qK;t2V6^{iA_n6N$lV}g5wZXVstv~M_loi2DG%OQe-B{ktl?V$*EZQh{I~;oM4sJcY%KjGWp}O5Pr`%7}lYM_BqkbfTSxU?q0QEVQqc4xA"
    "KgYClWp^)FZb}CkkvlWT%sqGVE8Pqm)z=Q<#*+<-F9I>grI;Hr%^~?$Q1#G+;x&}=$4ifOR+b6NpTL|kl3rL}qC60=64@JOZGQal%s=Fcvh`!R?G%@>L!s)#R4Uym*hGuLeb{7_`_F!P@jnFY!hsiF"
    "ma#Q;KV00-$q+BoMUo%t8D`dO^<%rF-IzA}{yPEkIhA-oQ-~RZ$YD#mz3s+9TSFiHftpQw$Mm60^Nt_9xH<f6{InvmH^U0sL~u;06DV>)uexGN&~DU-SE;mR`9Ri&=2E&Pl(E6|y^dI3Y8-1rRAX26"
    "F$$SQ2$A7;PGz2^bzwcPaj=?T(U;=7rrsVy&~(9IPh2^U8#=1CLcFgNT7u<bRv`}hz78vggTbeu(1ux#WXtZ${&d!$w{Jd@7xA;sF}}M6e$8}|xs))GdgP>f8frf6nxbT%EV4`7Dor9P)5yqgkl2cS"
    "W(I>TUrvhbl2HX4V}4Ieq%VGE1j+r76|XC(vxG90wY5hlm|yKG8q>vS9C0v7W6K#uU<+KEApU}Nvt9ESJ_I<1?0SMt;;~tB$VY-h#2vVk7-0>Rgks8nV-yntgLF>u-hfR%D+zsB_}oYI7Oyz*0@=mt"
    "=1hX100000p1@2K8(%Mc00GeyfS?2bN(36;vBYQl0ssI200dcD")))
