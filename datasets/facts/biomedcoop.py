"""The collection of the BiomedCoOp benchmark: `<NAME>/split_<NAME>.json` beside images in `<NAME>/<NAME>/`."""

from .entry import Facts

ARCHIVE = "https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp"


def _facts(
    name: str, sizes: tuple[int, int, int] | None, classnames: tuple[str, ...], source: str, **known: str
) -> Facts:
    return Facts(
        name=f"biomedcoop/{name.lower()}",
        dassl_name=f"BiomedCoOp_{name}",
        folder=name,
        split_file=f"split_{name}.json",
        images=name,
        classnames=classnames,
        sizes=sizes,
        source=f"{ARCHIVE} (with its split; images: {source})",
        **known,
    )


BIOMEDCOOP = (
    _facts(
        "BTMRI",
        (2854, 1141, 1717),
        ("glioma tumor", "meningioma tumor", "pituitary tumor", "normal brain"),
        modality="brain MRI",
        template="an MRI scan of the brain, {}.",
        licence="CC0 1.0 (as stated on Kaggle)",
        source="https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset",
    ),
    _facts(
        "BUSI",
        (389, 155, 236),
        ("benign tumor", "malignant tumor", "normal scan"),
        modality="breast ultrasound",
        template="a breast ultrasound image, {}.",
        licence="not stated by the authors' page (article CC BY 4.0)",
        source="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
    ),
    _facts(
        "CHMNIST",
        (2496, 1000, 1504),
        (
            "adipose tissue",
            "complex stroma",
            "debris",
            "empty background",
            "immune cells",
            "normal mucosal glands",
            "simple stroma",
            "tumour epithelium",
        ),
        modality="colorectal histopathology",
        template="a histopathology patch of {}.",
        licence="CC BY 4.0",
        source="https://zenodo.org/records/53169",
    ),
    _facts(
        "COVID_19",
        (10582, 4232, 6351),
        ("covid", "lung opacity", "viral pneumonia", "normal lungs"),
        modality="chest X-ray",
        template="a chest X-ray, {}.",
        licence="terms of the COVID-19 Radiography Database",
        source="https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
    ),
    _facts(
        "CTKidney",
        (6221, 2487, 3738),
        ("cyst kidney", "kidney stone", "kidney tumor", "normal kidney"),
        modality="computed tomography",
        template="a CT scan, {}.",
        licence="terms of the Kaggle page",
        source="https://www.kaggle.com/datasets/nazmul0087/ct-kidney-dataset-normal-cyst-tumor-and-stone",
    ),
    _facts(
        "DermaMNIST",
        (7006, 1003, 2005),
        (
            "actinic keratosis",
            "basal cell carcinoma",
            "benign keratosis",
            "dermatofibroma",
            "melanocytic nevus",
            "melanoma",
            "vascular lesion",
        ),
        modality="dermatoscopy",
        template="a dermatoscopic image of {}.",
        licence="CC BY-NC 4.0",
        source="https://medmnist.com",
        warning="same images as HAM10000: never a transfer pair with isic or dermamnist",
    ),
    _facts(
        "KneeXray",
        (5778, 826, 1656),
        (
            "healthy knee",
            "doubtful osteoarthritis",
            "minimal osteoarthritis",
            "moderate osteoarthritis",
            "severe osteoarthritis",
        ),
        modality="knee X-ray",
        template="a knee X-ray, {}.",
        licence="CC BY 4.0",
        source="https://www.kaggle.com/datasets/shashwatwork/knee-osteoarthritis-dataset-with-severity",
    ),
    _facts(
        "Kvasir",
        (2000, 800, 1200),
        (
            "dyed lifted polyps",
            "normal cecum",
            "esophagitis",
            "dyed resection margins",
            "normal pylorus",
            "normal z line",
            "polyps",
            "ulcerative colitis",
        ),
        modality="endoscopy",
        template="an endoscopic image of {}.",
        licence="research and education, with citation",
        source="https://datasets.simula.no/kvasir",
    ),
    _facts(
        "LungColon",
        (12500, 5000, 7500),
        (
            "colon adenocarcinoma",
            "colon benign tissue",
            "lung adenocarcinoma",
            "lung benign tissue",
            "lung squamous cell carcinoma",
        ),
        modality="lung and colon histopathology",
        template="a histopathology patch of {}.",
        licence="terms of LC25000",
        source="https://github.com/tampapath/lung_colon_image_set",
    ),
    _facts(
        "OCTMNIST",
        (97477, 10832, 1000),
        ("choroidal neovascularization", "drusen", "diabetic macular edema", "normal"),
        modality="optical coherence tomography",
        template="an OCT scan of the retina, {}.",
        licence="CC BY 4.0",
        source="https://medmnist.com",
    ),
    _facts(
        "RETINA",
        (2108, 841, 1268),
        ("diabetic retinopathy", "glaucoma", "cataract", "normal retina"),
        modality="fundus photography",
        template="a fundus photograph, {}.",
        licence="terms of the Kaggle page",
        source="https://www.kaggle.com/datasets/gunavenkatdoddi/eye-diseases-classification",
    ),
)
